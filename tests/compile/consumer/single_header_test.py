# SPDX-License-Identifier: BSL-1.0
"""What tools/amalgamate makes: the same bytes each time, and all that a kernel needs, compiled as kernels compile. What the
first compiler makes of it is looked at; that it is what each makes of the headers, freestanding_test.py has seen."""

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

TESTS = HERE.parents[1]
AMALGAMATE = HERE.parents[2] / "tools/amalgamate"
C_FLAGS = ("-std=c11", "-ffreestanding", "-mno-red-zone", "-mgeneral-regs-only", "-fno-pic", *compilers.STRICT)
ALLOWED_INCLUDE = r'#include (<std(int|def)\.h>|"lastcpu_config\.h"|LASTCPU_CONFIG)'
# Each variant with a program that has use for all of it.
VARIANTS = {"core": "compile/freestanding/whole.cpp", "x86_64": "compile/freestanding/whole_x86_64.cpp", "c": "unit/c/small_kernel.c"}
FRAME = ("-DLASTCPU_REGISTERS=struct frame", "-DLASTCPU_REGISTERS_BYTES=64")  # small_kernel.c has it


def file_of(variant: str) -> str:
    return f"lastcpu_{variant}{'.h' if variant == 'c' else '.hpp'}"


def amalgamate(variant: str, directory: Path, **environment) -> bytes:
    done = subprocess.run([str(AMALGAMATE), variant], cwd=directory, env={**os.environ, **environment}, check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout


def write_alone(variant: str, directory: Path) -> None:
    """A folder in which every <lastcpu/...> that the program asks for is the single header, and nothing else is."""
    single = file_of(variant)
    program = (TESTS / VARIANTS[variant]).read_text(encoding="utf-8")
    (directory / variant).mkdir(exist_ok=True)
    (directory / variant / single).write_bytes(amalgamate(variant, directory))
    for name in re.findall(r"#include <(lastcpu/[^>]+)>", program):
        (directory / variant / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / variant / name).write_text(f"#include <{single}>\n", encoding="utf-8")
    but = kernel_macros.IN_C_HEADERS if variant == "c" else ()
    (directory / f"{variant}_macros{(TESTS / VARIANTS[variant]).suffix}").write_text(
        f"{kernel_macros.definitions(but)}#include <{single}>\n{kernel_macros.still_there(but)}", encoding="utf-8")


def cells_of(variant: str, found: list) -> list:
    cells = []
    program = TESTS / VARIANTS[variant]
    for compiler in found:
        command = (compiler, *freestanding.FLAGS, "-mcmodel=kernel", "-O0", "-I", variant)
        if variant == "c":
            command = (compiler.replace("clang++", "clang").replace("g++", "gcc"), *C_FLAGS, "-I", variant, *FRAME)
        steps = (Step((*command, "-fsyntax-only", str(program)), matrix.silently),)
        if compiler == found[0] and variant != "c":
            output = file_name(variant, compiler) + ".o"
            steps = (Step((*command, "-c", str(program), "-o", output), matrix.silently),
                     freestanding.look_step(output, freestanding.PROGRAMS[program.stem], True))
        cells.append(Cell(f"{variant} {compiler}", steps))
        cells.append(Cell(f"{variant} {compiler} behind a kernel's macros",
                          (Step((*command, "-fsyntax-only", f"{variant}_macros{program.suffix}"), matrix.silently),)))
    return cells


def complaints(variant: str, directory: Path) -> list:
    usual = amalgamate(variant, directory)
    elsewhere = amalgamate(variant, Path("/"), LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    found = [] if usual == elsewhere else [f"{variant}: another folder and environment make other bytes"]
    for line in usual.decode("utf-8").splitlines():
        if re.match(r"\s*#\s*include", line) and not re.fullmatch(ALLOWED_INCLUDE, line):
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
