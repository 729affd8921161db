# SPDX-License-Identifier: BSL-1.0
"""boot_test.py DIRECTORY CC CXX: a C kernel in QEMU, through the entry stubs for NMI and machine check, to its panic."""
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[3] / "include"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
FLAGS = ("-O2", "-g", "-ffreestanding", "-fno-pic", "-mno-red-zone", "-mgeneral-regs-only", "-fno-stack-protector",
         "-fcf-protection=none", "-fno-omit-frame-pointer", "-I", str(INCLUDE), "-I", str(HERE / "config"), "-c")
CXX = ("-std=c++20", "-nostdinc++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-Wconversion", "-Wshadow")
QEMU = ("qemu-system-x86_64", "-M", "q35", "-m", "64", "-accel", "tcg", "-cpu", "max", "-display", "none", "-no-reboot",
        "-serial", "none", "-monitor", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon", "stdio")
SAID = "the kernel's own words\nlastcpu: CPU 0 panicked, CPUs known: 1; in NMI: watchdog\n"
RIGHT = 2 * 42 + 1  # of lastcpu_kernel_restart() in kernel.c, which has the other codes


def run(*command):
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def main():
    directory, cc, cxx = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    directory.mkdir(parents=True, exist_ok=True)
    run(cc, *STRICT, *FLAGS, HERE / "boot.S", "-o", directory / "boot.o")
    run(cc, "-std=c99", *STRICT, *FLAGS, HERE / "kernel.c", "-o", directory / "kernel.o")
    run(cxx, *CXX, *STRICT, *FLAGS, HERE.parent / "instance.cpp", "-o", directory / "instance.o")
    objects = [directory / f"{name}.o" for name in ("boot", "kernel", "instance")]
    run(cc, "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,-z,max-page-size=4096", "-T", HERE / "kernel.ld", *objects,
        "-o", directory / "kernel.elf")
    done = subprocess.run((*QEMU, "-kernel", directory / "kernel.elf"), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    if done.returncode != RIGHT or done.stdout != SAID:
        sys.exit(f"FAILED: QEMU ended with {done.returncode} ({(done.returncode - 1) // 2}: see kernel.c), not {RIGHT}\n"
                 f"{done.stdout}{done.stderr}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
