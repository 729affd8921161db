# SPDX-License-Identifier: BSL-1.0
"""What tools/amalgamate makes: the same bytes each time, and all that a kernel needs, compiled as kernels compile."""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "matrix"), str(HERE.parent / "freestanding")]

import compilers  # noqa: E402
import freestanding_test as freestanding  # noqa: E402: its flags and its programs
import kernel_macros  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

AMALGAMATE = HERE.parents[1] / "tools/amalgamate"
# Each variant with a program of tests/freestanding that has use for all of it.
VARIANTS = {"core": "whole", "x86_64": "whole_x86_64"}


def amalgamate(variant: str, directory: Path, **environment) -> bytes:
    done = subprocess.run([str(AMALGAMATE), variant], cwd=directory, env={**os.environ, **environment}, check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout


def write_alone(variant: str, directory: Path) -> None:
    """A folder in which every <lastcpu/...> that the program asks for is the single header, and nothing else is."""
    single = f"lastcpu_{variant}.hpp"
    program = (freestanding.HERE / f"{VARIANTS[variant]}.cpp").read_text(encoding="utf-8")
    (directory / variant).mkdir(exist_ok=True)
    (directory / variant / single).write_bytes(amalgamate(variant, directory))
    for name in re.findall(r"#include <(lastcpu/[^>]+)>", program):
        (directory / variant / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / variant / name).write_text(f"#include <{single}>\n", encoding="utf-8")
    (directory / f"{variant}_macros.cpp").write_text(
        f"{kernel_macros.definitions()}#include <{single}>\n{kernel_macros.still_there()}", encoding="utf-8")


def cells_of(variant: str, found: list) -> list:
    cells = []
    for compiler in found:
        command = (compiler, *freestanding.FLAGS, "-fno-pic", "-mcmodel=kernel", "-O0", "-I", variant)
        output, program = file_name(variant, compiler) + ".o", VARIANTS[variant]
        made = Step((*command, "-c", str(freestanding.HERE / f"{program}.cpp"), "-o", output), matrix.silently)
        cells.append(Cell(f"{variant} {compiler}", (made, *freestanding.looks_at(output, freestanding.PROGRAMS[program]))))
        cells.append(Cell(f"{variant} {compiler} behind a kernel's macros",
                          (Step((*command, "-fsyntax-only", f"{variant}_macros.cpp"), matrix.silently),)))
    return cells


def complaints(variant: str, directory: Path) -> list:
    usual = amalgamate(variant, directory)
    elsewhere = amalgamate(variant, Path("/"), LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    found = [] if usual == elsewhere else [f"{variant}: another folder and environment make other bytes"]
    for line in usual.decode("utf-8").splitlines():
        if re.match(r"\s*#\s*include", line) and not re.fullmatch(r"#include <std(int|def)\.h>", line):
            found.append(f"{variant} has a line {line}")
    if b"IN NO EVENT" not in usual:
        found.append(f"{variant} has no licence")
    return found


def main() -> int:
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    for variant in VARIANTS:
        write_alone(variant, directory)
        missing += complaints(variant, directory)
    return matrix.run([cell for variant in VARIANTS for cell in cells_of(variant, found)], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
