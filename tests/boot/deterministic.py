# SPDX-License-Identifier: BSL-1.0
"""One boot on a machine whose clock counts instructions: it runs the same way each time, to the last byte.

What happened, in which order, on which CPU, is compared with the kept file; not the time, which differs from compiler
to compiler.
"""
import difflib
from pathlib import Path

import boot as qemu
import events
import scenarios
import verdict
from boot import Boot
from log import read as read_log

SENTENCE = "the_timeline_of_a_deterministic_run_is_the_kept_one"
KEPT = Path(__file__).resolve().parent / "deterministic.timeline"
BOOT = Boot("nested_in_step", 4, seed=7, deterministic=True)  # both rungs, an NMI on the owner, a fault in its handler


def run(kernel, logs, options):
    """(passed, failed)"""
    problems, first = [], None
    for i in (1, 2):
        log = logs / f"{i}.log"
        ended = qemu.run(BOOT, kernel, log)
        found = verdict.judge(BOOT, scenarios.BY_NAME[BOOT.scenario], ended, kernel.text)
        if found:
            print(qemu.explain(BOOT, ended, found, log, "the same boot on a free-running machine"))
        problems += found
        first = first or ended.log
        if ended.log != first:
            problems.append("two runs differ")
            print("".join(difflib.unified_diff(first.splitlines(True), ended.log.splitlines(True), "1.log", "2.log")))
    sequence = events.sequence(read_log(first).events)
    if options.accept and not problems:
        KEPT.write_text(sequence, encoding="utf-8")
    kept = KEPT.read_text(encoding="utf-8") if KEPT.is_file() else ""
    if sequence != kept:
        problems.append("the timeline differs from the kept one")
        print("".join(difflib.unified_diff(kept.splitlines(True), sequence.splitlines(True), str(KEPT), "this run")))
        print("next: if the new order is right, keep it: boot_test.py --group deterministic --accept --build BUILD")
    return (0, 1) if problems else (1, 0)
