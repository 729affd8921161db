# SPDX-License-Identifier: BSL-1.0
"""How many bytes of code, memory and stack a kernel on bare x86-64 pays, compiled with -Os, and that it stays so.

Text is the sum of all functions but the digest's, which have a budget of their own: a kernel chooses its digest. RAM
per CPU is what one more CPU adds to the machine's object.
"""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"
FLAGS = ("-std=c++20", "-ffreestanding", "-nostdinc++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
         "-mno-red-zone", "-mgeneral-regs-only", "-mcmodel=kernel", "-fno-pic", "-fno-stack-protector",
         "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-Os")
DIGEST = re.compile(r"lastcpu::kexec::(xxh64|image_intact|detail::rotate)")
REGISTERS = 168
TEXTS = 3 * 124

BUDGET = {"text": 8192, "whole": 9216, "digest": 2304}  # bytes
RAM_PER_CPU = 64  # beside the saved registers and the texts
MANY_CPUS = 4096
STACK_FRAME = 1024  # bytes, the largest with so many CPUs; the stack of an exception may have 4096


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def compiled(compiler, directory, cpus, *more):
    output = directory / f"{compiler.replace('+', 'x')}_{cpus}{''.join(more)}.o"
    run(compiler, *FLAGS, f"-DMAX_CPUS={cpus}", *more, "-I", str(INCLUDE), "-c", str(HERE / "crash_path.cpp"),
        "-o", str(output))
    return output


def symbols(output):
    """[(bytes, type, name)]"""
    found = re.findall(r"^\d+ (\d+) (\w) (.+)$", run("nm", "-S", "-C", "-t", "d", str(output)), re.MULTILINE)
    return [(int(size), kind.lower(), name) for size, kind, name in found]


def text_of(output):
    code = [(size, name) for size, kind, name in symbols(output) if kind in "tw"]
    digest = sum(size for size, name in code if DIGEST.search(name))
    return sum(size for size, _ in code) - digest, digest


def machine_bytes(output):
    return next(size for size, _, name in symbols(output) if name == "machine")


def largest_frame(compiler, directory):
    """(bytes, function)"""
    output = compiled(compiler, directory, MANY_CPUS, "-DWHOLE", "-fstack-usage")
    lines = output.with_suffix(".su").read_text(encoding="utf-8").splitlines()
    return max((int(size), name) for name, size, _ in (line.split("\t") for line in lines))


def figures(compiler, directory):
    text, _ = text_of(compiled(compiler, directory, 64))
    whole, digest = text_of(compiled(compiler, directory, 64, "-DWHOLE"))
    return {"text": text, "whole": whole, "digest": digest}


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    compilers = ["g++", "clang++", *sys.argv[2:]]
    results = []
    print(f"{'':12} {'gate, stop,':>12} {'with panic(),':>14} {'digest':>8}\n"
          f"{'':12} {'crash_kexec':>12} {'nmi_panic()':>14} {'XXH64':>8}")
    for compiler in compilers:
        found = figures(compiler, directory)
        print(f"{compiler:12} {found['text']:12,} {found['whole']:14,} {found['digest']:8,}")
        for name, most in BUDGET.items():
            results.append(0 < found[name] <= most)
            if not results[-1]:
                print(f"FAILED: {compiler}: {name} takes {found[name]:,} bytes, the budget is {most:,}; next: "
                      f"nm -S -C --size-sort {directory}/*.o")
    for compiler in compilers:
        size, name = largest_frame(compiler, directory)
        print(f"{compiler}: largest stack frame with {MANY_CPUS:,} CPUs: {size} bytes")
        results.append(0 < size <= STACK_FRAME)
        if not results[-1]:
            print(f"FAILED: {compiler}: {name} takes {size:,} bytes of stack, the budget is {STACK_FRAME:,}")
    per_cpu = (machine_bytes(compiled("g++", directory, 128)) - machine_bytes(compiled("g++", directory, 64))) / 64
    rest = per_cpu - REGISTERS - TEXTS
    print(f"RAM per CPU: {per_cpu:.0f} bytes = {REGISTERS} of registers + {TEXTS} of texts + {rest:.0f}")
    results.append(0 < rest <= RAM_PER_CPU)
    if not results[-1]:
        print(f"FAILED: {rest:.0f} bytes per CPU beside registers and texts, the budget is {RAM_PER_CPU}")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
