# SPDX-License-Identifier: BSL-1.0
"""The order of stores against an NMI on the same CPU: store_order.cpp, which looks behind each instruction, with each
compiler at each level."""
import itertools
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "compile/matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
# No red zone: the program pushes its flags where the compiler keeps variables otherwise.
FLAGS = ("-std=c++20", "-mno-red-zone", "-Wall", "-Wextra", "-Werror")


def cell(compiler, level):
    program = file_name("store_order", compiler, level)
    made = Step((compiler, level, *FLAGS, "-I", str(compilers.INCLUDE), str(HERE / "store_order.cpp"), "-o", program))
    return Cell(f"{compiler} {level}", (made, Step((f"./{program}",), seconds=30)), program)


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    return matrix.run(list(itertools.starmap(cell, itertools.product(found, LEVELS))), directory, missing)


if __name__ == "__main__":
    sys.exit(main())
