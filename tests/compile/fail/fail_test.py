# SPDX-License-Identifier: BSL-1.0
"""Misuse that must not compile: each .cpp file here, with each compiler.

A file says what the compiler must answer in one line of its own, a regular expression that a line of the output matches:
// expect: a platform must supply halt\\(\\)
"""
import itertools
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step  # noqa: E402

FLAGS = ("-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror")


def without_source(compiler):
    """Quoted source lines would let an expectation match the source, not the diagnosis."""
    return "-fno-diagnostics-show-caret" if compiler.startswith("g++") else "-fno-caret-diagnostics"


def expectation(file):
    """(what the file expects, complaints)"""
    found = re.findall(r"^// expect: *(\S.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    if len(found) != 1:
        return None, [f"{file} has {len(found)} lines `// expect: <regular expression>`; it needs exactly one"]
    if re.search(found[0], ""):
        return None, [f"{file}: the expectation `{found[0]}` matches anything, so it checks nothing"]
    return found[0], []


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    cells = []
    for file, compiler in itertools.product(sorted(HERE.glob("*.cpp")), found):
        expected, complaints = expectation(file)
        missing += [complaint for complaint in complaints if complaint not in missing]
        command = (compiler, *FLAGS, without_source(compiler), "-I", str(compilers.INCLUDE), str(file))
        if not complaints:
            cells.append(Cell(f"{file.stem} {compiler}", (Step(command, matrix.fails_saying(expected)),)))
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
