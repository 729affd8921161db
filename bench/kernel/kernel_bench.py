#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Boots the example kernel in QEMU and prints two tables.

1. How long it takes to stop all other CPUs, beside a raw broadcast of an NMI. The two take turns in one boot. Figures
   are medians in ticks of the TSC; "spread" is half the distance between the quartiles of the ratio of neighbours.
2. How long it takes from panic() to the crash kernel's first instruction, the report on the console included: the
   quartiles of so many boots, in microseconds.
"""
import argparse
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

PANIC = re.compile(r"^crash: started, panic to here (\d+) us$", re.MULTILINE)
SAMPLE = re.compile(r"bench: (\d+) losers raw (\d+) ours (\d+)$")


def boot(kernel, cpus, seconds, words, crash_kernel=None):
    """The serial log of one boot."""
    command = ["qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
               "-machine", "q35", "-accel", "tcg,thread=multi", "-smp", str(cpus), "-m", "256", "-serial", "stdio",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", str(kernel), "-append", words]
    if crash_kernel is not None:
        command += ["-initrd", str(crash_kernel)]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds).stdout
    except FileNotFoundError:
        sys.exit("qemu-system-x86_64 is not installed; on Debian or Ubuntu: apt-get install qemu-system-x86")
    except subprocess.TimeoutExpired:
        sys.exit(f"no end after {seconds} s; next: by hand: {shlex.join(command)}")


def samples(kernel, cpus, rounds, seconds):
    """{losers: [(raw, ours), ...]} of one boot."""
    log = boot(kernel, cpus, seconds, f"rounds={rounds}")
    lines = log.splitlines()
    if not lines or lines[-1] != "bench: done" or any("failed" in line for line in lines):
        sys.exit("\n".join(["a round failed, or the kernel died; its log ends with", *lines[-8:]]))
    found = {}
    for line in lines:
        if match := SAMPLE.match(line):
            losers, raw, ours = map(int, match.groups())
            found.setdefault(losers, []).append((raw, ours))
    return found


def row(cpus, losers, pairs, alone):
    raw = statistics.median(r for r, _ in pairs)
    ours = statistics.median(o for _, o in pairs)
    quarter = statistics.quantiles([o / r for r, o in pairs], n=4)
    beside = f"{ours / alone:.2f}" if losers else ""
    return (f"| {cpus} | {losers} | {raw:,.0f} | {ours:,.0f} | {ours / raw:.3f} | {(quarter[2] - quarter[0]) / 2:.2f} | "
            f"{beside} |")


def stop_table(kernel, options):
    print("| CPUs | losers | raw ticks | ours | ours / raw | spread | with losers / without |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for cpus in options.cpus:
        found = samples(kernel, cpus, options.rounds, options.seconds)
        alone = statistics.median(ours for _, ours in found[0])
        for losers, pairs in sorted(found.items()):
            print(row(cpus, losers, pairs, alone), flush=True)


def panic_table(kernel, crash_kernel, options):
    print("| CPUs | boots | 25 % | median us | 75 % |")
    print("|---:|---:|---:|---:|---:|")
    for cpus in options.cpus:
        times = []
        for seed in range(options.boots):
            log = boot(kernel, cpus, options.seconds, f"panic={seed % cpus}", crash_kernel)
            times += map(int, PANIC.findall(log.replace("\r", "")))
        if len(times) != options.boots:
            sys.exit(f"{len(times)} crash kernels in {options.boots} boots with {cpus} CPUs; next: tools/soak --kernel")
        low, middle, high = statistics.quantiles(times, n=4)
        print(f"| {cpus} | {len(times)} | {low:,.0f} | {middle:,.0f} | {high:,.0f} |", flush=True)


def numbers(text):
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"'{text}': numbers with commas are wanted, for example 2,4")
    return [int(n) for n in text.split(",")]


def file(path, target):
    if not path.is_file():
        sys.exit(f"{path} is missing; next: build {target}, for example: cmake --build build/gcc-release")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/gcc-release", help="build directory (%(default)s)")
    parser.add_argument("--cpus", type=numbers, default="2,4,8,16", help="numbers of CPUs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=200, help="of each kind, for the first table (%(default)s)")
    parser.add_argument("--boots", type=int, default=21, help="for the second table (%(default)s)")
    parser.add_argument("--seconds", type=int, default=300, help="at most, for each boot (%(default)s)")
    options = parser.parse_args()
    if not 4 <= options.rounds <= 1000 or options.boots < 4:
        parser.error("--rounds: 4 to 1000; --boots: at least 4")
    build = Path(options.build)
    stop_table(file(build / "bench" / "kernel" / "lastcpu_kernel_bench.elf", "lastcpu_kernel_bench"), options)
    print()
    examples = build / "examples"
    panic_table(file(examples / "kernel" / "lastcpu_kernel.elf", "lastcpu_example_kernel"),
                file(examples / "crash_kernel" / "lastcpu_crash_kernel.elf", "lastcpu_example_crash_kernel"), options)


if __name__ == "__main__":
    main()
