#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Failure handlers side by side: one program, crashed in eleven ways with lastcpu's, Abseil's and glog's, with none, and with
the kernel's core alone. Prints one table in Markdown, and draws its times.

  compare.py BUILD [--crashes 20] [--rounds 21] [--realtime] [--plot FILE.svg]    BUILD: a folder that cmake has configured, with peers

It builds what it wants there. A peer that is missing costs its column. The exit status is 1 where a crash of lastcpu's
does not end as it should. Ratios of times hold on a busy machine only with --realtime, which wants root."""

import argparse
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import picture
import verdicts
from victims import HANDLERS, IN_TROUBLE, UNABLE, crash

CASES = {
    "plain": "threads fault together",
    "mixed": "the same by SIGSEGV, SIGABRT, SIGFPE",
    "bystanders": "beside four that write to stderr",
    "malloc_lock": "in malloc(), most with its lock held",
    "process_one": "as process 1",
    "faults_once": "a fault in the reporter",
    "faults_always": "the same at each attempt",
    "aborts": "abort() in the reporter, at each attempt",
    "slow": "a reporter that takes 4 s",
    "hangs": "a reporter that hangs",
    "earlier_handler": "an earlier handler is called behind it",
}
NOT_OURS_TO_PROMISE = {("in_place", "earlier_handler")}
EVERY_THREAD = "every thread is in the report, or in the core"
WAITING = ("process_one", *IN_TROUBLE)
WAITERS = 40
TOGETHER = 8
THREADS = (1, 8, 32, 128)


def programs_of(options):
    """{victim: program}, built."""
    listed = options.victims
    if listed is None:
        subprocess.run(["cmake", "--build", options.build, "--target", "crash_victims"], check=True, stdout=subprocess.DEVNULL)
        listed = options.build / "bench" / "crash_reporters" / "victims.txt"
    return dict(line.split(" ", 1) for line in listed.read_text(encoding="utf-8").splitlines() if line)


def kernel_writes_here():
    return "/" not in (pattern := Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8")) and pattern[0] != "|"


def columns_of(programs):
    """(handlers to show, why others are not)."""
    shown, left_out = [], []
    for handler in HANDLERS:
        if handler.victim not in programs:
            left_out.append(f"{handler.title}: it was not found when BUILD was configured with LASTCPU_BENCH_PEERS=ON")
        elif handler.way == "kernel" and not kernel_writes_here():
            left_out.append(f"{handler.title}: /proc/sys/kernel/core_pattern hands it to a program or to another folder")
        else:
            shown.append(handler)
    return shown, left_out


def applies(handler, case):
    """Who has no reporter has none that faults, and an earlier handler is then the only one."""
    return bool(handler.begins) or case not in (*IN_TROUBLE, "earlier_handler")


class Table:
    def __init__(self, columns):
        self.columns, self.failed = columns, []
        print("| |" + "".join(f" {h.title} |" for h in columns))
        print("|---|" + "---|" * len(columns), flush=True)

    def row(self, title, cells):
        print(f"| {title} |" + "".join(f" {c} |" for c in cells), flush=True)

    def judge(self, case, handler, crashes):
        """The cell of a case, and whether lastcpu kept its word there."""
        if any(c.status == UNABLE for c in crashes):
            return "not possible here"
        found = [verdicts.problems(handler, case, c) for c in crashes]
        ours = handler.victim == "lastcpu" and (handler.way, case) not in NOT_OURS_TO_PROMISE
        self.failed += [f"{handler.title}, {case}: {', '.join(f)}\n{c.said}" for f, c in zip(found, crashes) if f and ours]
        return verdicts.cell(found)


class Crashes:
    """Crashes that are under way. Where there are limits of time, those that wait for them are let wait together, and others
    are not disturbed; a quick look does all at once."""

    def __init__(self, programs, times, quick):
        self.programs, self.times = programs, times
        self.few = ThreadPoolExecutor(WAITERS if quick else os.cpu_count())
        self.many = self.few if quick else ThreadPoolExecutor(WAITERS)

    def begin(self, handler, case):
        pool = self.many if case in WAITING else self.few
        return [pool.submit(crash, handler, self.programs, case, TOGETHER) for _ in range(self.times)]


def print_cases(table, crashes, cases, quick):
    begun = {}

    def begin(case):
        begun[case] = {h.title: crashes.begin(h, case) for h in table.columns if applies(h, case)}
    if quick:
        for case in cases:
            begin(case)
    for case in cases:
        if not quick:
            begin(case)
        ended = {title: [c.result() for c in all_of] for title, all_of in begun.pop(case).items()}
        table.row(CASES[case], [table.judge(case, h, ended[h.title]) if h.title in ended else "-" for h in table.columns])
        if case == "plain":
            table.row(EVERY_THREAD, [sum(verdicts.lists_every_thread(h, c) for c in ended[h.title]) for h in table.columns])


def measure(columns, programs, threads, rounds):
    """{(handler, what): [ns]}: each round crashes once with each handler, from another one on."""
    found = {(h.title, what): [] for h in columns for what in picture.MEASURED}
    for number in range(rounds):
        start = number % len(columns)
        for handler in columns[start:] + columns[:start]:
            c = crash(handler, programs, "plain", threads)
            for what, ns in zip(picture.MEASURED, (c.first_line_ns, c.end_ns)):
                if ns is not None and (handler.begins or what == picture.END):
                    found[handler.title, what].append(ns)
    return found


def milliseconds(values):
    return f"{statistics.median(values) / 1e6:.2f}" if values else "-"


def print_times(table, programs, sizes, rounds):
    """The rows of the times; {(handler, what): {threads: [ns]}}."""
    found = {}
    for threads in sizes:
        for key, values in measure(table.columns, programs, threads, rounds).items():
            found.setdefault(key, {})[threads] = values
    for what in picture.MEASURED:
        for threads in sizes:
            table.row(f"ms to {what}, {threads} thread{'s' * (threads > 1)}",
                      [milliseconds(found[h.title, what][threads]) for h in table.columns])
    return found


def enter_real_time():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def may_enter_real_time():
    try:
        enter_real_time()
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, nargs="?")
    parser.add_argument("--victims", type=Path, help="the list of programs, built already, instead of BUILD")
    parser.add_argument("--crashes", type=int, default=20, help="in each case (%(default)s)")
    parser.add_argument("--rounds", type=int, default=21, help="of times, 0 for none (%(default)s)")
    parser.add_argument("--realtime", action="store_true", help="what is timed comes before all other work of the machine")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one")
    parser.add_argument("--quick", action="store_true", help="few of all, to see that it works")
    parser.add_argument("--plot", type=Path, help="draws the times into this file; wants gnuplot")
    options = parser.parse_args(arguments)
    if (options.build is None) == (options.victims is None) or options.crashes < 1 or options.rounds < 0:
        parser.error("BUILD or --victims, --crashes from 1 on, --rounds from 0 on")
    if options.plot and not options.rounds:
        parser.error("--plot draws times: it wants --rounds from 1 on")
    if options.realtime and not options.rounds:
        parser.error("--realtime is for times: it wants --rounds from 1 on")
    if options.realtime and not may_enter_real_time():
        parser.error("--realtime is not permitted; run it as root, or leave it out")
    return options


def main():
    options = parse()
    programs = programs_of(options)
    columns, left_out = columns_of(programs)
    crashes, rounds, sizes = (1, 1, (1, 2)) if options.quick else (options.crashes, options.rounds, THREADS)
    table = Table(columns)
    print_cases(table, Crashes(programs, crashes, options.quick), options.case or CASES, options.quick)
    if options.realtime:
        enter_real_time()
    times = print_times(table, programs, sizes, rounds) if rounds else {}
    print(f"\n{crashes} crashes in each case, {TOGETHER} threads that crash in most; medians of {rounds} rounds.")
    print("".join(f"Left out: {line}.\n" for line in left_out), end="")
    if options.plot:
        picture.draw(times, columns, options.plot)
    for failure in table.failed:
        print(f"not as it should be: {failure}", file=sys.stderr)
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
