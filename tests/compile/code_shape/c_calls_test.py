# SPDX-License-Identifier: BSL-1.0
"""What a call through C costs more than the same in C++, in instructions executed while nobody panics: at most two, for
a bool becomes an int. Counted as in code_shape_test.py, with the call in C++ in the twin's place.
"""
import sys
from pathlib import Path

import code_shape_test as shape
from code_shape_test import Cell, Step, compilers, file_name, matrix

HERE = Path(__file__).resolve().parent
C_FLAGS = ("-std=c99", "-O2", "-ffreestanding", "-mno-red-zone", "-mgeneral-regs-only", "-fno-pic", "-fno-stack-protector",
           "-fcf-protection=none", "-fno-asynchronous-unwind-tables")
SPARE = 2
NAMES = ("handle_nmi", "handle_stop_irq", "in_progress", "on_this_cpu", "on_other_cpu")


def answers_alike(result):
    return None if result.status == 0 else "C and C++ do not answer alike"


def cells_of(compiler, directory):
    c_compiler = compiler.replace("clang++", "clang").replace("g++", "gcc")
    calls, instance, program = (file_name(part, compiler) for part in ("c_calls.o", "c_instance.o", "c_calls"))
    out = directory / f"{program}.callgrind"
    for old in directory.glob(f"{out.name}.*"):
        old.unlink()
    include = ("-I", str(compilers.INCLUDE), "-I", str(HERE / "c_config"))
    apart = () if "clang" in compiler else ("-fno-ipa-icf",)  # gcc makes one function of two that are the same
    renamed = tuple(f"--redefine-sym=lastcpu_{name}=ours_{name}" for name in NAMES)  # as `shape` looks for them
    made = ((c_compiler, *C_FLAGS, *include, "-c", str(HERE / "c_calls.c"), "-o", calls),
            (compiler, *shape.FLAGS, *apart, *include, "-c", str(HERE / "c_calls.cpp"), "-o", instance),
            ("objcopy", *renamed, calls), ("objcopy", *renamed, instance),
            (compiler, "-static", "-nostdlib", calls, instance, "-o", program))
    steps = (*(Step(command, matrix.silently, shared=True) for command in made),
             Step((f"./{program}",), answers_alike, shared=True), Step(shape.callgrind(program, out), shared=True))
    look = ("objdump", "-d", "--no-show-raw-insn", program)
    return [Cell(f"{compiler}: {name}",
                 (*steps, Step(look, shape.keeps_to_its_count(compiler, number, out), shared=True)))
            for number, name in enumerate(NAMES)]


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    missing += compilers.require({"valgrind": "valgrind", "objdump": "binutils"})
    shape.OPERATIONS = tuple((name, name, SPARE, 0) for name in NAMES)
    shape.FUNCTIONS = [f"{side}_{name}" for name in NAMES for side in ("ours", "twin")]
    print(f"{'':12} {'instructions executed':24} {'C':>5} {'C++':>5} {'locked':>7}")
    return matrix.run([cell for compiler in found for cell in cells_of(compiler, directory)], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
