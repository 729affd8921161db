#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Boots the example kernel again and again: every scenario in turn, with changing CPUs and seeds.

A boot that fails is told at once; its serial log stays in build/soak/. Ctrl-C stops it. The last line is
"N passed, N failed".
"""
import argparse
import random
import re
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Kernel  # noqa: E402
from log import read as read_log  # noqa: E402

LOGS = Path("build/soak")
CLEAR = "\r\033[K"
SHOW_EACH_S, SAY_EACH_S = 1, 30  # on a terminal, elsewhere


def cpus_of(text):
    first, _, last = text.partition("-")
    if not (first.isdigit() and (last or first).isdigit() and 1 <= int(first) <= int(last or first) <= 255):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of CPUs from 1 to 255, nor a range such as 2-16")
    return int(first), int(last or first)


def replay_of(text):
    match = re.fullmatch(r"(\w+):(\d{1,3}):(\d+)", text)
    if match is None or match[1] not in scenarios.BY_NAME or not 1 <= int(match[2]) <= 255:
        raise argparse.ArgumentTypeError(f"'{text}' is not SCENARIO:CPUS:SEED; copy it from a failed boot's report")
    return match[1], int(match[2]), int(match[3])


def parse_options():
    parser = argparse.ArgumentParser(prog="tools/soak --kernel", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boots", type=int, help="how many in all (3000; with --replay: 1)")
    parser.add_argument("--cpus", type=cpus_of, default=(2, 16), help="a number, or a range to choose from (2-16)")
    parser.add_argument("--scenario", action="append", choices=scenarios.BY_NAME, metavar="NAME",
                        help="only this one; may be given several times: " + ", ".join(scenarios.BY_NAME))
    parser.add_argument("--racing", action="store_true", help="only those in which CPUs race")
    parser.add_argument("--machine", default="q35", help="QEMU's (q35)")
    parser.add_argument("--seed", type=int, help="other boots, or the same again (by the clock)")
    parser.add_argument("--replay", type=replay_of, metavar="SCENARIO:CPUS:SEED",
                        help="this boot again; the seed fixes who does what, not how the host runs it: repeat it with "
                             "--boots")
    parser.add_argument("--build", type=Path, default=Path("build/demo"), help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.boots is not None and o.boots < 1:
        parser.error("--boots: use a number from 1 on")
    o.boots = o.boots or (1 if o.replay else 3000)
    o.seed = time.time_ns() % 10**9 if o.seed is None else o.seed
    chosen = [s for s in scenarios.SCENARIOS if o.scenario is None or s.name in o.scenario]
    o.chosen = [s for s in chosen if s.least_cpus <= o.cpus[1] and (s.racing or not o.racing)]
    if not o.chosen:
        parser.error("no scenario is left with these --scenario, --cpus and --racing")
    return o


def boots_of(o):
    """The boots in their order; a seed gives the same ones again."""
    if o.replay:
        name, cpus, seed = o.replay
        return [Boot(name, cpus, o.machine, seed, scenarios.BY_NAME[name].image_for(seed))] * o.boots
    dice, out = random.Random(o.seed), []
    for i in range(o.boots):
        s = o.chosen[i % len(o.chosen)]
        cpus = dice.randint(max(o.cpus[0], s.least_cpus), o.cpus[1])
        seed = dice.randrange(1, 10**9)
        out.append(Boot(s.name, cpus, o.machine, seed, s.image_for(seed)))
    return out


class Soak:
    def __init__(self, o, kernel):
        self.kernel, self.boots, self.machine = kernel, boots_of(o), o.machine
        self.counts = {s.name: [0, 0] for s in scenarios.SCENARIOS}  # passed, failed
        self.collisions = dict.fromkeys(self.counts, 0)
        self.began = self.shown = time.monotonic()
        self.stopped = threading.Event()

    def run_one(self, numbered):
        i, b = numbered
        if self.stopped.is_set():
            return b, None, None, [], False
        log = LOGS / f"{i}-{b.scenario}-{b.cpus}-{b.seed}.log"
        ended = qemu.run(b, self.kernel, log)
        parked = any(c.state == "parked" for c in read_log(ended.log).cpus.values())
        return b, log, ended, verdict.judge(b, scenarios.BY_NAME[b.scenario], ended, self.kernel), parked

    def run(self):
        try:
            for b, log, ended, problems, parked in qemu.at_once(self.run_one, enumerate(self.boots)):
                self.collisions[b.scenario] += parked
                self.take(b, log, ended, problems)
        except KeyboardInterrupt:
            self.stopped.set()
        self.progress(True)

    def take(self, b, log, ended, problems):
        self.counts[b.scenario][1 if problems else 0] += 1
        if problems:
            machine = "" if self.machine == "q35" else f" --machine {self.machine}"
            again = f"tools/soak --kernel{machine} --replay {b.scenario}:{b.cpus}:{b.seed} --boots 20"
            print((CLEAR if sys.stdout.isatty() else "") + qemu.explain(b, ended, problems, log, again), flush=True)
        else:
            log.unlink()
        self.progress(False)

    def total(self):
        return sum(p for p, _ in self.counts.values()), sum(f for _, f in self.counts.values())

    def progress(self, last):
        tty, now = sys.stdout.isatty(), time.monotonic()
        if not last and now - self.shown < (SHOW_EACH_S if tty else SAY_EACH_S):
            return
        self.shown = now
        passed, failed = self.total()
        done, rate = passed + failed, (passed + failed) / max(now - self.began, 0.001)
        left = (len(self.boots) - done) / rate / 60 if rate else 0
        print(f"{CLEAR if tty else ''}{done} of {len(self.boots)} boots, {failed} failed, {rate:.1f} a second, "
              f"{left:.0f} min left", end="" if tty and not last else "\n", flush=True)

    def report(self, o):
        print(f"\n{'scenario':<26} {'boots':>7} {'passed':>7} {'failed':>7} {'parked':>7}")
        for name, (passed, failed) in self.counts.items():
            if passed + failed:
                print(f"{name:<26} {passed + failed:>7} {passed:>7} {failed:>7} {self.collisions[name]:>7}")
        racing = sum(sum(self.counts[s.name]) for s in scenarios.SCENARIOS if s.racing)
        print("parked: boots in which a CPU lost the race for the gate, and parked")
        print(f"seed {o.seed}, {racing} racing boots, {time.monotonic() - self.began:.0f} s")
        if self.stopped.is_set():
            print("stopped before its end")
        passed, failed = self.total()
        print(f"{passed} passed, {failed} failed")
        return 130 if self.stopped.is_set() else 0 if passed and not failed else 1


def main():
    o = parse_options()
    qemu.require_qemu()
    soak = Soak(o, Kernel.of_build(o.build))
    soak.run()
    return soak.report(o)


if __name__ == "__main__":
    sys.exit(main())
