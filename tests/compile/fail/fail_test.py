# SPDX-License-Identifier: BSL-1.0
"""Misuse that must not compile: each .cpp file here, with each compiler.

A file says what the compiler must answer in one line of its own, a regular expression that a line of the output matches:
// expect: a platform must supply halt\\(\\)

A compiler reads all files at once, each in a namespace of its own, and goes on behind every error: the headers are what takes
its time. A file is judged by the errors that tell of it. Those with C's names have no namespace, and are compiled alone.
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Result, Step  # noqa: E402

# Nothing is left out of what a compiler has to say.
FLAGS = ("-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-ftemplate-backtrace-limit=0")


def without_source(compiler):
    """Quoted source lines would let an expectation match the source, not the diagnosis."""
    if compiler.startswith("g++"):
        return ("-fno-diagnostics-show-caret", "-fmax-errors=0")
    return ("-fno-caret-diagnostics", "-ferror-limit=0")


def expectation(file):
    """(what the file expects, complaints)"""
    found = re.findall(r"^// expect: *(\S.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    if len(found) != 1:
        return None, [f"{file} has {len(found)} lines `// expect: <regular expression>`; it needs exactly one"]
    if re.search(found[0], ""):
        return None, [f"{file}: the expectation `{found[0]}` matches anything, so it checks nothing"]
    return found[0], []


def is_alone(file):
    return 'extern "C"' in file.read_text(encoding="utf-8")


def write_together(files, source):
    """The headers come first, so that whatever is said of one of them does not name the file that was the first to include it."""
    texts = "".join(file.read_text(encoding="utf-8") for file in files)
    includes = "".join(f"{line}\n" for line in dict.fromkeys(re.findall(r"^#include .*$", texts, re.MULTILINE)))
    bodies = "".join(f'namespace of_{file.stem} {{\n#include "{file}"\n}}\n' for file in files)
    source.write_text(includes + bodies, encoding="utf-8")


def diagnoses(text):
    """What was said, an error with all that belongs to it at a time: where the compiler was, the error, and its notes, each of
    which may begin with where the compiler was as well."""
    lines = text.splitlines()
    errors = [at for at, line in enumerate(lines) if " error: " in line]
    begins = [0]
    for error, after in zip(errors, errors[1:]):
        last_note = max((at for at in range(error, after) if " note: " in lines[at]), default=error)
        begins.append(last_note + 1)
    return ["\n".join(lines[begin:end]) for begin, end in zip(begins, [*begins[1:], len(lines)]) if errors]


def fails_in(file, expected):
    check = matrix.fails_saying(expected)

    def check_own(result):
        own = "\n".join(diagnosis for diagnosis in diagnoses(result.text) if f"{file}:" in diagnosis)
        return check(Result(result.status if own else 0, own))

    return check_own


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    files = sorted(HERE.glob("*.cpp"))
    together = directory / "together.cpp"
    write_together([file for file in files if not is_alone(file)], together)
    cells = []
    for file in files:
        expected, complaints = expectation(file)
        missing += complaints
        for compiler in found if not complaints else ():
            source = file if is_alone(file) else together
            command = (compiler, *FLAGS, *without_source(compiler), "-I", str(compilers.INCLUDE), str(source))
            cells.append(Cell(f"{file.stem} {compiler}", (Step(command, fails_in(file, expected), shared=True),)))
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
