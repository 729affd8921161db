# SPDX-License-Identifier: BSL-1.0
"""What lastcpu_capture() and, in C++, capture() of each machine find is what the caller has in each register: on machines
beside x86-64, by QEMU, in user mode and at the kernel's level, compiled by gcc and by a clang.

A program without a library (known.S, check.c, capture.cpp) ends with the number of the first register that is wrong. RISC-V's
status is privileged: there it comes from the handler of the program's own illegal instruction. The first program of a machine
has the instance that a kernel has, the others only that function of it.
"""
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(TESTS / "compile/matrix"))

import compilers  # noqa: E402
import machines  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

BARE = ("-display", "none", "-monitor", "none", "-serial", "none", "-semihosting", "-kernel")
C99 = ("-std=c99", "-ffreestanding", "-fno-pic", "-O1", *compilers.STRICT)
CXX = (*compilers.FREESTANDING, "-fno-pic", *compilers.STRICT)


@dataclass(frozen=True)
class Run:
    machine: str
    qemu: tuple
    defines: tuple = ("-DUSER_MODE=1",)
    link: tuple = ()
    flags: tuple = ()


KERNEL = ("-DUSER_MODE=0",)
MACHINE_MODE = (*KERNEL, "-DLASTCPU_RISCV_MACHINE_MODE=1")
RUNS = {
    "aarch64 in user mode": Run("aarch64", ("qemu-aarch64",)),
    "aarch64 at EL1": Run("aarch64", ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", *BARE), KERNEL,
                          ("-Wl,-Ttext=0x40080000",)),
    "riscv64 in user mode": Run("riscv64", ("qemu-riscv64",)),
    "riscv64 with sstatus": Run("riscv64", ("qemu-riscv64",), KERNEL),
    "riscv64 with mstatus": Run("riscv64", ("qemu-riscv64",), MACHINE_MODE),
    "riscv32 in user mode": Run("riscv32", ("qemu-riscv32",)),
    "riscv32 with mstatus": Run("riscv32", ("qemu-riscv32",), MACHINE_MODE),
    "armv7": Run("armv7", ("qemu-arm",)),
    "armv7 in Thumb": Run("armv7", ("qemu-arm",), flags=("-mthumb",)),
    "Cortex-M33": Run("Cortex-M33", ("qemu-system-arm", "-M", "mps2-an505", *BARE), KERNEL,
                      ("-Wl,--section-start=.vectors=0x10000000", "-Wl,-Ttext=0x10000100", "-Wl,-Tbss=0x38000000")),
}
PACKAGES = {"qemu-aarch64": "qemu-user", "qemu-riscv64": "qemu-user", "qemu-riscv32": "qemu-user", "qemu-arm": "qemu-user",
            "qemu-system-aarch64": "qemu-system-arm", "qemu-system-arm": "qemu-system-arm"}


def is_right(result):
    if result.status == 0:
        return None
    number = result.status
    return f"{'capture() in C++' if number > 100 else 'lastcpu_capture()'}: wrong register {number % 100}, by check.c"


def cell(name, run, machine, compiler, command, instance):
    """The assembly and the linking are gcc's."""
    gcc = tuple(word.replace("g++", "gcc") for word in machine.gcc)
    c_compiler = (command[0].replace("clang++", "clang").replace("g++", "gcc"), *command[1:], *run.flags)
    cxx, include = (*command, *run.flags), ("-I", str(compilers.INCLUDE), "-I", str(HERE))
    objects = [file_name(part, name, compiler) + ".o" for part in ("instance", "capture", "check", "known")]
    program = file_name("registers", name, compiler)
    made = ((*cxx, *CXX, "-O1", *run.defines, *include, "-c", str(instance), "-o", objects[0]),
            (*cxx, *CXX, "-O2", *run.defines, *include, "-c", str(HERE / "capture.cpp"), "-o", objects[1]),
            (*c_compiler, *C99, *run.defines, *include, "-c", str(HERE / "check.c"), "-o", objects[2]),
            (*gcc, *run.flags, *run.defines, "-c", str(HERE / "known.S"), "-o", objects[3]))
    link = (*gcc, *run.flags, "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,--no-warnings", *run.link, *objects, "-o", program)
    return Cell(f"{name} {compiler}", (*(Step(step, matrix.silently) for step in made), Step(link),
                                       Step((*run.qemu, f"./{program}"), is_right, seconds=20)))


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    by_name = {machine.name: machine for machine in machines.MACHINES}
    missing = compilers.require(PACKAGES)
    for run in RUNS.values():
        missing += compilers.require(by_name[run.machine].packages)
    alone = directory / "capture_alone.cpp"
    alone.write_text("#include <lastcpu/c/lastcpu_kernel.h>\n\n#include <lastcpu/c/capture.hpp>\n", encoding="utf-8")
    first = {run.machine: name for name, run in reversed(RUNS.items())}
    cells = [cell(name, run, by_name[run.machine], compiler, command,
                  HERE.parent / "instance.cpp" if first[run.machine] == name else alone) for name, run in RUNS.items()
             for compiler, command in by_name[run.machine].compilers([new_clang])]
    return matrix.run(cells, directory, list(dict.fromkeys(missing)))


if __name__ == "__main__":
    sys.exit(main())
