#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The crash reporter's core of a process with 64 MiB of heap, beside `cp --sparse=never` of that core: the same crash without
a core, with one, and the copy, in turns. Prints medians. What the core costs is what the second takes longer than the first.

  core_rate.py PROGRAM [--runs 21]    PROGRAM: tests/process/crash_reporter/crash_reporter_victim of a build
"""
import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def seconds_of(command):
    began = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--runs", type=int, default=21)
    options = parser.parse_args()
    if not options.program.is_file() or options.runs < 1:
        parser.error("PROGRAM is built by: cmake --build BUILD --target crash_reporter_victim; --runs from 1 on")
    with tempfile.TemporaryDirectory() as folder:
        core, copy = Path(folder) / "core", Path(folder) / "copy"
        without, crashes, copies = [], [], []
        for _ in range(options.runs):
            core.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)
            without.append(seconds_of([options.program, "large_memory"]))
            crashes.append(seconds_of([options.program, "large_memory", core]))
            if not core.is_file() or core.stat().st_size < 64 << 20:
                raise SystemExit(f"{options.program} large_memory left no core of 64 MiB; run it by hand to see why")
            copies.append(seconds_of(["cp", "--sparse=never", core, copy]))
        size = core.stat().st_size
    of_report, of_crash, of_copy = (statistics.median(times) * 1000 for times in (without, crashes, copies))
    print(f"core of {size} bytes: crash without it {of_report:.0f} ms, with it {of_crash:.0f} ms; cp {of_copy:.0f} ms; "
          f"rate of the core / of cp: {of_copy / (of_crash - of_report):.2f}" if of_crash > of_report else
          "the host is too unsteady: a crash without a core takes longer than one with it; more --runs")


if __name__ == "__main__":
    main()
