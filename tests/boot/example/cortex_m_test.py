# SPDX-License-Identifier: BSL-1.0
"""cortex_m_test.py DIRECTORY: examples/cortex_m on QEMU's board with two Cortex-M33, to the report of its panic."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples/cortex_m"
CPU = ("-mcpu=cortex-m33", "-mfloat-abi=soft")
FLAGS = (*CPU, "-Os", "-g", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror",
         "-I", str(ROOT / "include"), "-I", str(EXAMPLE), "-c")
CXX = ("-std=c++20", "-nostdinc++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
QEMU = ("qemu-system-arm", "-M", "mps2-an521", "-display", "none", "-monitor", "none", "-serial", "stdio",
        "-semihosting-config", "enable=on,target=native")
# What must be said, whichever core is first.
DEATHS = {
    "both_fault_at_once": ("-DBOTH_DIE=1", r"lastcpu: CPU ([01]) panicked, CPUs known: 2: hard fault\n"
                                           r"lastcpu: CPU (?!\1)[01] lost the race: hard fault\n"),
    "one_faults_and_stops_the_other": ("-DBOTH_DIE=0", r"lastcpu: CPU 1 panicked, CPUs known: 2: hard fault\n"
                                                       r"lastcpu: CPU 0 stopped by irq\n"),
}


def run(*command, timeout=60):
    try:
        return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
    except FileNotFoundError:
        package = "qemu-system-arm" if command[0].startswith("qemu") else "gcc-arm-none-eabi"
        sys.exit(f"FAILED: there is no {command[0]}; next: apt-get install {package}")
    except subprocess.TimeoutExpired as late:
        sys.exit(f"FAILED: {' '.join(map(str, command))}: no end in {timeout} s, said {late.stdout}")


def made(*command):
    done = run(*command)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return command[-1]


def linked(directory, name, define):
    instance = made("arm-none-eabi-g++", *CXX, *FLAGS, EXAMPLE / "instance.cpp", "-o", directory / "instance.o")
    kernel = made("arm-none-eabi-gcc", "-std=gnu11", *FLAGS, define, EXAMPLE / "kernel.c", "-o", directory / f"{name}.o")
    return made("arm-none-eabi-gcc", *CPU, "-nostdlib", "-Wl,--gc-sections", "-T", EXAMPLE / "kernel.ld", kernel, instance,
                "-o", directory / f"{name}.elf")


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, (define, wanted) in DEATHS.items():
        done = run(*QEMU, "-kernel", linked(directory, name, define), timeout=20)
        if done.returncode != 0 or not re.fullmatch(wanted, done.stdout):
            failed += 1
            print(f"FAILED {name}: QEMU ended with {done.returncode} and said\n{done.stdout}{done.stderr}instead of\n{wanted}")
    print(f"{len(DEATHS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
