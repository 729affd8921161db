# SPDX-License-Identifier: BSL-1.0
"""Every header for a hosted implementation compiles alone; the others are freestanding_test.py's.

One of the compilers for each header: they share a C++ library, so what a header lacks of it with one, it lacks with the
other. Which one depends on its name, so that a new header changes nothing about the others.
What a header includes before anything else is alone there, too: so a header that another one here begins with is
compiled with that one, and has no cell of its own.
"""

import itertools
import re
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "matrix"), str(HERE.parent / "freestanding")]

import compilers  # noqa: E402
import matrix  # noqa: E402
from compilers import INCLUDE  # noqa: E402
from freestanding_test import HOSTED  # noqa: E402
from matrix import Cell, Step  # noqa: E402

FLAGS = ("-std=c++20", *compilers.STRICT, "-fsyntax-only", "-x", "c++", "-I", str(INCLUDE))
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
# Only it may stand before the first include, and nothing that it has helps a header.
BEGIN = r"(?:\s*#pragma once\n)?(?:\s*#include <lastcpu/detail/begin\.hpp>\n)?"
FIRST = re.compile(BEGIN + r"\s*#include <(lastcpu/[^>]+)>")


def first_of(header: str):
    """The header of ours that it includes before anything else."""
    found = FIRST.match(COMMENT.sub("", (INCLUDE / header).read_text(encoding="utf-8")))
    return found and found.group(1)


def alone_in(header: str, firsts: dict) -> list:
    """The headers that are compiled alone where this one is."""
    return [header, *alone_in(firsts[header], firsts)] if header in firsts else []


def says_nothing(result):
    wrong = matrix.silently(result)
    return wrong and f"{wrong}; next: have that header include what it uses, and mend what is warned of"


def compiler_for(header: str, found: list) -> str:
    return found[zlib.crc32(header.encode()) % len(found)]


def cell(compiler: str, header: str, proven: list) -> Cell:
    command = (compiler, *FLAGS, "-include", header, "/dev/null")
    return Cell(f"{' and '.join(proven)} alone, {compiler}", (Step(command, says_nothing),))


def main() -> int:
    directory, _ = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++"))
    names = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
    firsts = {name: first_of(name) for name in names if HOSTED.match(name)}
    heads = {name: alone_in(name, firsts) for name in firsts if name not in firsts.values()}
    forgotten = sorted(firsts.keys() - set(itertools.chain.from_iterable(heads.values())))
    missing += [f"{name} is compiled by no cell" for name in forgotten] + ([] if firsts else [f"no header below {INCLUDE}"])
    print(f"{', '.join(found)}: {len(firsts)} headers, of which {len(heads)} are begun with by no other")
    cells = [cell(compiler_for(header, found), header, proven) for header, proven in heads.items() if found]
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
