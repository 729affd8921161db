# SPDX-License-Identifier: BSL-1.0
"""One boot on a machine whose clock counts instructions: it runs the same way each time, to the last byte.

The timeline is compared with the kept file: what happened, in which order, on which CPU, and when. A tick is a count of
instructions, and another compiler's code has others; so the file tells which two kernels and which QEMU it is of. With
these the ticks must be the kept ones exactly; with others each event must follow the one before it in nearly the time
that it took there.
"""
import difflib
import hashlib
import subprocess
from pathlib import Path

import boot as qemu
import scenarios
import verdict
from boot import Boot
from log import read as read_log

SENTENCE = "the_timeline_of_a_deterministic_run_is_the_kept_one"
KEPT = Path(__file__).resolve().parent / "deterministic.timeline"
BOOT = Boot("nested_in_step", 4, seed=7, deterministic=True)  # both rungs, an NMI on the owner, a fault in its handler
NEAR, AND_SOME = 0.25, 1000  # ticks, of the time since the event before: another compiler's code


def origin_of(kernel):
    """What the ticks depend on, as one number."""
    version = subprocess.run([qemu.QEMU, "--version"], stdout=subprocess.PIPE, check=True).stdout.splitlines()[0]
    return hashlib.sha256(kernel.elf.read_bytes() + kernel.crash_elf.read_bytes() + version).hexdigest()


def timeline_of(log, origin):
    """As the kept file has it; ticks count from the first event."""
    ordered = sorted(read_log(log).events, key=lambda e: e.tsc)
    return f"# {origin}\n" + "".join(f"{e.tsc - ordered[0].tsc} {e.cpu} {e.kind} {e.value}\n" for e in ordered)


def parse(timeline):
    """(origin, ticks, what happened)"""
    head, *lines = timeline.splitlines() or [""]
    split = [line.partition(" ") for line in lines]
    return head, [int(tick) for tick, _, _ in split], [what for _, _, what in split]


def compare(kept, timeline):
    """What is wrong with `timeline`, as sentences."""
    (kept_origin, kept_ticks, kept_what), (origin, ticks, what) = parse(kept), parse(timeline)
    if what != kept_what:
        return ["other things happened, or in another order, than in the kept timeline"]
    if origin == kept_origin:
        return [] if ticks == kept_ticks else ["the ticks differ from the kept ones, with the same kernels and QEMU"]
    return [f"'{event}' came {took} ticks after the event before it, not {kept_took} as in the kept timeline"
            for kept_took, took, event in zip(steps_of(kept_ticks), steps_of(ticks), what)
            if abs(took - kept_took) > kept_took * NEAR + AND_SOME]


def steps_of(ticks):
    return [later - before for before, later in zip([0, *ticks], ticks)]


def run(kernel, logs, options):
    """(passed, failed)"""
    problems, first = [], None
    for i in (1, 2):
        log = logs / f"{i}.log"
        ended = qemu.run(BOOT, kernel, log)
        found = verdict.judge(BOOT, scenarios.BY_NAME[BOOT.scenario], ended, kernel)
        if found:
            print(qemu.explain(BOOT, ended, found, log, "the same boot on a free-running machine"))
        problems += found
        first = first or ended.log
        if ended.log != first:
            problems.append("two runs differ")
            print("".join(difflib.unified_diff(first.splitlines(True), ended.log.splitlines(True), "1.log", "2.log")))
    timeline = timeline_of(first, origin_of(kernel))
    if options.accept and not problems:
        KEPT.write_text(timeline, encoding="utf-8")
    kept = KEPT.read_text(encoding="utf-8") if KEPT.is_file() else ""
    differs = compare(kept, timeline)
    if differs:
        print("\n".join(differs))
        print("".join(difflib.unified_diff(kept.splitlines(True), timeline.splitlines(True), str(KEPT), "this run")))
        print("next: if the new one is right, keep it: boot_test.py --group deterministic --accept --build BUILD")
    elif not problems:
        same = parse(kept)[0] == parse(timeline)[0]
        print("ok: to the tick" if same else "ok: two runs to the tick, and near the kept one, which is of other "
              "kernels or another QEMU; to keep this one: boot_test.py --group deterministic --accept --build BUILD")
    return (0, 1) if problems or differs else (1, 0)
