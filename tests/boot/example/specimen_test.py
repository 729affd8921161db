#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The historical designs on real NMIs: each loses the race that it is known for, and lastcpu does not.

  specimen_test.py BUILD    with lastcpu_specimen_kernel.elf, the example kernel with the option design= on its command
                            line: trylock, 2011, 2015 or 2025 in lastcpu's place

The seeds are tried in turn until the old design loses; lastcpu then gets the same seed, in the same image.
"""
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Kernel  # noqa: E402
from log import read as read_log  # noqa: E402

MOST_SEEDS = 500  # the rarest loss comes once in twenty; on a loaded host, where CPUs take turns, once in a hundred
SPINS_AFTER_S = 3  # of a processor: a boot that ends uses a fifth of one
SLEEPS_AFTER_S = 1.5
ASLEEP = "SI"  # states of a thread in /proc
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
REFUSED_STATUS = 2 * 4 + 1
GATELESS = "kernel: restarts without the gate"


def ends_otherwise(end, wanted, _log):
    """The dump is lost, or the machine goes on as if there had been no panic: this is for ever, and QEMU is killed."""
    return None if end in wanted else end


def goes_on_without_gate(_end, _wanted, log):
    return "it goes on without the gate" if GATELESS in log else None


@dataclass(frozen=True)
class Race:
    design: str
    scenario: str
    loss: Callable = ends_otherwise  # (end, the scenario's ends, log) -> how it was lost, or None

    def boot(self, seed, **more):
        return Boot(self.scenario, 2, seed=seed, image=scenarios.BY_NAME[self.scenario].image_for(seed), **more)

    def seeds(self):
        """Without an image where a hold is to be given back: it is short then, and these designs check no image."""
        step = 2 if scenarios.BY_NAME[self.scenario].without_image else 1
        return range(1, 1 + step * MOST_SEEDS, step)


RACES = (Race("trylock", "panic_vs_panic"), Race("2011", "oops_vs_panic"), Race("2011", "nmi_on_dumper"),
         Race("2015", "released_under_waiter"), Race("2015", "nmi_panic_pending"),
         Race("2025", "released_under_waiter", goes_on_without_gate))


class Standstill:
    """Asked now and then about one QEMU: whether nothing will come of it any more. By what it has done, not by the time:
    on a loaded host a boot takes many times as long."""

    def __init__(self):
        self._used, self._since = 0.0, time.monotonic()

    def __call__(self, pid):
        used, asleep = 0.0, True
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                state, *fields = (thread / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            used += (int(fields[10]) + int(fields[11])) / TICKS_PER_S
            asleep = asleep and state in ASLEEP
        if not asleep or used > self._used + 2 / TICKS_PER_S:
            self._used, self._since = used, time.monotonic()
        return used > SPINS_AFTER_S or time.monotonic() - self._since > SLEEPS_AFTER_S


def first_loss(race, kernel, logs):
    """(seed, how), both None if there is none."""
    def try_seed(seed):
        boot = race.boot(seed, words=(f"design={race.design}",))
        log = logs / f"{race.design}-{race.scenario}-{seed}.log"
        ended = qemu.run(boot, kernel, log, given_up=Standstill())
        came_to_it = read_log(ended.log).scenario == race.scenario
        end = verdict.end_of(ended.status)
        return seed, race.loss(end, scenarios.BY_NAME[race.scenario].ends, ended.log) if came_to_it else None

    for seed, how in qemu.at_once(try_seed, race.seeds()):
        if how is not None:
            return seed, how
    return None, None


def passes(race, kernel, logs):
    seed, how = first_loss(race, kernel, logs)
    if seed is None:
        print(f"FAILED: {race.scenario}: the design of {race.design} has not lost once with {len(race.seeds())} seeds: "
              "is this still the race?", flush=True)
        return False
    boot, log = race.boot(seed), logs / f"lastcpu-{race.scenario}-{seed}.log"
    ended = qemu.run(boot, kernel, log)
    problems = verdict.judge(boot, scenarios.BY_NAME[race.scenario], ended, kernel)
    if problems:
        print(qemu.explain(boot, ended, problems, log,
                           f"tools/soak --kernel --replay {race.scenario}:2:{seed} --boots 20"), flush=True)
        return False
    print(f"ok: {race.scenario}, seed {seed}: design={race.design} loses ({how}), lastcpu does not", flush=True)
    return True


def refuses_another_design(kernel, logs):
    ended = qemu.run(Boot("panic", words=("design=1999",)), kernel, logs / "refused.log")
    refused = "kernel: there is no such design" in ended.log.splitlines() and ended.status == REFUSED_STATUS
    print("ok: design=1999 is refused" if refused else f"FAILED: design=1999 is not refused:\n{qemu.tail(ended.log)}")
    return refused


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: specimen_test.py BUILD")
    qemu.require_qemu()
    build = Path(sys.argv[1])
    kernel = Kernel.of_build(build, "tests/boot/example/kernel/lastcpu_specimen_kernel.elf")
    logs = build / "tests" / "boot" / "example" / "logs" / "specimens"
    results = [refuses_another_design(kernel, logs), *(passes(race, kernel, logs) for race in RACES)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
