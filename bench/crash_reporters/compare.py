#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Failure handlers side by side: one program, crashed in five ways with lastcpu's crash reporter, Abseil's and glog's
handler, and none. Prints a table in Markdown: of so many crashes, how many had exactly one report, how many no foreign
line inside it, how many died of a signal of the crash, how many hung. By hand; it wants what tools/bench wants."""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HANDLERS = {  # name: macro, libraries, the line that begins a report, a word that its last line has
    "lastcpu": ("WITH_LASTCPU", (), "has crashed ***", "*** end of report ***"),
    "Abseil": ("WITH_ABSEIL", ("-labsl_failure_signal_handler", "-labsl_examine_stack", "-labsl_stacktrace", "-labsl_symbolize",
                               "-labsl_demangle_internal", "-labsl_debugging_internal", "-labsl_malloc_internal", "-labsl_strings",
                               "-labsl_strings_internal", "-labsl_int128", "-labsl_throw_delegate", "-labsl_base",
                               "-labsl_raw_logging_internal", "-labsl_spinlock_wait", "-labsl_log_severity"), "*** SIG", "@"),
    "glog": ("WITH_GLOG", ("-lglog",), "*** SIG", "@"),
    "none": ("WITH_NONE", (), "", ""),
}
CASES = ("plain", "mixed", "bystanders", "heap", "process_one")
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE}
DEADLINE_S = 10


def build(folder, name):
    macro, libraries, *_ = HANDLERS[name]
    out = Path(folder) / name
    subprocess.run(["g++", "-std=c++20", "-O2", f"-D{macro}", "-I", HERE.parents[1] / "include", HERE / "victim.cpp", "-o", out,
                    *libraries, "-lpthread"], check=True)
    return out


def crash(program, case):
    """Status (None: it hung) and what it said."""
    with subprocess.Popen([program, case], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as p:
        try:
            said = p.communicate(timeout=DEADLINE_S)[1]
            return p.returncode, said.decode(errors="replace")
        except subprocess.TimeoutExpired:
            subprocess.run(["pkill", "-KILL", "-P", str(p.pid)], check=False)  # its process 1
            p.kill()
            return None, p.communicate()[1].decode(errors="replace")


def judge(name, case, status, said):
    begins, ends = HANDLERS[name][2:]
    lines = said.splitlines()
    first = [i for i, line in enumerate(lines) if begins and begins in line]
    last = [i for i, line in enumerate(lines) if ends and ends in line]
    one = len(first) == 1 and bool(last) and last[-1] > first[0]
    clean = one and not any("bystander" in line for line in lines[first[0]:last[-1] + 1])
    right = status == 0 if case == "process_one" else status in CRASHES
    return {"one report": one, "no foreign line": clean, "its signal": right, "hung": status is None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crashes", type=int, default=50, help="of each kind (%(default)s)")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one")
    options = parser.parse_args()
    print("| case | handler | one report | no foreign line | its signal | hung |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="lastcpu-crash-") as folder:
        programs = {name: build(folder, name) for name in HANDLERS}
        for case in options.case or CASES:
            for name, program in programs.items():
                found = [judge(name, case, *crash(program, case)) for _ in range(options.crashes)]
                counts = (sum(f[key] for f in found) for key in found[0])
                print(f"| {case} | {name} |", " | ".join(map(str, counts)), f"| of {options.crashes}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
