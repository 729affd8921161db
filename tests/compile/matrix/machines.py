# SPDX-License-Identifier: BSL-1.0
"""The machines besides x86-64 that the core is compiled for, each with Debian's gcc for it and with a clang."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    name: str
    gcc: tuple  # compiler and flags
    package: str  # that has the compiler
    clang: tuple  # flags
    objdump: str

    def compilers(self, clangs: list) -> list:
        """[(name, command)]"""
        return [(self.gcc[0], self.gcc), *((clang, (clang, *self.clang)) for clang in clangs)]

    @property
    def packages(self) -> dict:
        return {self.gcc[0]: self.package, self.objdump: self.package}


def arm(name: str, cpu: str, target: str, *flags: str) -> Machine:
    flags = (cpu, "-mfloat-abi=soft", *flags)
    return Machine(name, ("arm-none-eabi-g++", *flags), "gcc-arm-none-eabi", (f"--target={target}", *flags),
                   "arm-none-eabi-objdump")


def riscv(name: str, bits: str, abi: str) -> Machine:
    flags = (f"-march=rv{bits}imac", f"-mabi={abi}")
    return Machine(name, ("riscv64-linux-gnu-g++", *flags), "g++-riscv64-linux-gnu",
                   (f"--target=riscv{bits}-unknown-elf", *flags), "riscv64-linux-gnu-objdump")


MACHINES = (
    Machine("aarch64", ("aarch64-linux-gnu-g++", "-mgeneral-regs-only"), "g++-aarch64-linux-gnu",
            ("--target=aarch64-linux-gnu", "-mgeneral-regs-only"), "aarch64-linux-gnu-objdump"),
    riscv("riscv64", "64", "lp64"),
    riscv("riscv32", "32", "ilp32"),
    Machine("i686", ("g++", "-m32", "-march=i686", "-mgeneral-regs-only"), "g++",
            ("--target=i686-linux-gnu", "-mgeneral-regs-only"), "objdump"),
    arm("armv7", "-march=armv7-a", "armv7-none-eabi"),
    arm("Cortex-M33", "-mcpu=cortex-m33", "thumbv8m.main-none-eabi", "-mthumb"),
    arm("Cortex-M23", "-mcpu=cortex-m23", "thumbv8m.base-none-eabi", "-mthumb"),  # multiplies 32 bits by 32 to 32
)

# Has no compare-exchange: only for ports with an atomic of their own.
CORTEX_M0_PLUS = arm("Cortex-M0+", "-mcpu=cortex-m0plus", "thumbv6m-none-eabi", "-mthumb")
