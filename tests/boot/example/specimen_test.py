#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The historical designs on real NMIs: each loses the race that it is known for, and lastcpu does not.

  specimen_test.py BUILD    with lastcpu_specimen_kernel.elf, the example kernel with the option design= on its command
                            line: trylock, 2011, 2015 or 2025 in lastcpu's place

The seeds are tried in turn until the old design loses; lastcpu then gets the same seed, in the same image.
"""
import os
import resource
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

MOST_SEEDS = 200  # the rarest loss comes once in five
LATEST, EACH_SO_LATE = 23, 24  # the seeds with the largest skew: stage::meet_with_skew()
SPINS_AFTER = 6  # times what a boot that ends has used of a processor
SPINS_AFTER_S = 1  # at least
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
        """Odd: without an image where a hold is to be given back. It is short then, and these designs check no image."""
        return range(LATEST, LATEST + EACH_SO_LATE * MOST_SEEDS, EACH_SO_LATE)


RACES = (Race("trylock", "panic_vs_panic"), Race("2011", "oops_vs_panic"), Race("2011", "nmi_on_dumper"),
         Race("2015", "released_under_waiter"), Race("2015", "nmi_panic_pending"),
         Race("2025", "released_under_waiter", goes_on_without_gate))


class Standstill:
    """Asked now and then about one QEMU: whether nothing will come of it any more. By what it has done, not by the time:
    on a loaded host a boot takes many times as long. `spins_after_s`: of a processor."""

    def __init__(self, spins_after_s):
        self._used, self._since, self._most = 0.0, time.monotonic(), spins_after_s

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
        return used > self._most or time.monotonic() - self._since > SLEEPS_AFTER_S


def first_loss(race, kernel, logs, spins_after_s):
    """(seed, how), both None if there is none."""
    for seed in race.seeds():
        boot = race.boot(seed, words=(f"design={race.design}",))
        log = logs / f"{race.design}-{race.scenario}-{seed}.log"
        ended = qemu.run(boot, kernel, log, given_up=Standstill(spins_after_s))
        came_to_it = read_log(ended.log).scenario == race.scenario
        how = race.loss(verdict.end_of(ended.status), scenarios.BY_NAME[race.scenario].ends, ended.log)
        if came_to_it and how is not None:
            return seed, how
    return None, None


def passes(race, kernel, logs, spins_after_s):
    seed, how = first_loss(race, kernel, logs, spins_after_s)
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


def processor_s_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: specimen_test.py BUILD")
    qemu.require_qemu()
    build = Path(sys.argv[1])
    kernel = Kernel.of_build(build, "tests/boot/example/kernel/lastcpu_specimen_kernel.elf")
    logs = build / "tests" / "boot" / "example" / "logs" / "specimens"
    refused, used_s = refuses_another_design(kernel, logs), processor_s_of_children()
    spins_after_s = max(SPINS_AFTER_S, SPINS_AFTER * used_s)
    results = [refused, *(passes(race, kernel, logs, spins_after_s) for race in RACES)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
