#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Crashes the victim again and again, and counts: exactly one whole report, no thread unstopped, every
thread in the core with its registers, the signal its parent sees, no hang. Ends with one line for each scenario; the exit status is 0 only if every run was right."""

import argparse
import collections
import contextlib
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import crash_judge  # noqa: E402

SCENARIOS = ("storm", "four_crash", "masked_thread", "breeding_threads", "profiled", "watchdog", "stopped_and_continued",
             "overflow_in_a_thread", "seccomp_refuses_processes")
DEADLINE_S = 30
CRASHES = {4, 6, 8, 11}  # SIGILL, SIGABRT, SIGFPE, SIGSEGV


def what_is_wrong(status, said, core):
    """Empty, or what the run did not keep; `core` is empty where none was asked for."""
    wrong = crash_judge.what_is_wrong_with_report(said, with_core=bool(core))
    if not wrong and said != crash_judge.report_of(said):
        wrong = "foreign lines"
    if not wrong and core:
        wrong = crash_judge.what_is_wrong_with_core(core, said)
    return wrong or ("" if -status in CRASHES else f"exit status {status}")


def run(victim, scenario, core):
    """One crash: empty, or what was wrong with it, with what the victim said."""
    command = [victim, scenario] + ([core] if core else [])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(core)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {DEADLINE_S} s", ""
    said = done.stdout.decode(errors="replace")
    return what_is_wrong(done.returncode, said, core), said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("victim", help="the program crash_reporter_victim")
    parser.add_argument("--runs", type=int, default=300, help="crashes for each scenario (%(default)s)")
    parser.add_argument("--scenario", action="append", help=f"only this one; of {', '.join(SCENARIOS)}")
    parser.add_argument("--no-core", action="store_true", help="reports alone")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="lastcpu-crash-") as folder:
        core = "" if options.no_core else os.path.join(folder, "core")
        for scenario in options.scenario or SCENARIOS:
            wrongs = collections.Counter()
            for _ in range(options.runs):
                wrong, said = run(options.victim, scenario, core)
                if wrong:
                    wrongs[wrong] += 1
                    print(f"{scenario}: {wrong}\n{said}", file=sys.stderr)
            right = options.runs - sum(wrongs.values())
            print(f"{scenario}: {right} of {options.runs}", *(f"; {n} times {w}" for w, n in wrongs.items()), flush=True)
            failed |= bool(wrongs)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
