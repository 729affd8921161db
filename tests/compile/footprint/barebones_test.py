# SPDX-License-Identifier: BSL-1.0
"""barebones_test.py DIRECTORY [CLANG]: what the smallest C configuration costs a Cortex-M33 with two CPUs.

tests/unit/c/small_kernel.c is linked with the instance and --gc-sections; counted is what the linker keeps of the instance,
strings included. RAM is all of its data.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
CPU = ("-mcpu=cortex-m33", "-mfloat-abi=soft")
COMMON = (*CPU, "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
          "-I", str(TESTS.parent / "include"), "-I", str(TESTS / "unit/c/configs/smallest"), "-c")
C = ("-std=c99", "-Os")
CXX = ("-std=c++20", "-nostdinc++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-pic",
       "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wconversion", "-Wshadow")
BUDGET = {"text": 1536, "ram": 128}  # bytes
CLANG_SPARE = 192  # bytes of text: it shares less between its functions
KINDS = {"text": r"(?:text|rodata)", "ram": r"(?:bss|data)"}


def run(*command):
    if shutil.which(command[0]) is None:
        sys.exit(f"FAILED: there is no {command[0]}; next: apt-get install gcc-arm-none-eabi")
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def kept(linker_map, instance):
    """{kind: bytes} of what the linker has kept of the instance."""
    text = linker_map.read_text(encoding="utf-8").split("Linker script and memory map", 1)[1]
    return {kind: sum(int(size, 16) for size in re.findall(
        rf"^ \.{section}\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) {re.escape(str(instance))}$", text, re.MULTILINE))
        for kind, section in KINDS.items()}


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    kernel = directory / "kernel.o"
    run("arm-none-eabi-gcc", *C, *COMMON, TESTS / "unit/c/small_kernel.c", "-o", kernel)
    compilers = {"gcc": ("arm-none-eabi-g++", "-Os")}
    compilers |= {clang: (clang, "--target=thumbv8m.main-none-eabi", "-mthumb", "-Oz") for clang in sys.argv[2:]}
    results = []
    for name, compiler in compilers.items():
        instance, out = directory / f"instance_{name}.o", directory / f"map_{name}"
        run(*compiler, *CXX, *COMMON, TESTS / "unit/c/instance.cpp", "-o", instance)
        run("arm-none-eabi-gcc", *CPU, "-nostdlib", "-Wl,--gc-sections,-e,reset", f"-Wl,-Map={out}", instance, kernel, "-o",
            directory / f"kernel_{name}")
        found = kept(out, instance)
        print(f"{name:12} {found['text']:6,} bytes of text, {found['ram']:4} of RAM")
        for kind, most in BUDGET.items():
            most += CLANG_SPARE if kind == "text" and name != "gcc" else 0
            results.append(0 < found[kind] <= most)
            if not results[-1]:
                print(f"FAILED: {name}: {kind} takes {found[kind]:,} bytes, the budget is {most:,}; next: less {out}")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
