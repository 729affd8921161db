#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The design of 2011 on real NMIs: in the same kernel it loses dumps that lastcpu does not.

  specimen_test.py BUILD    with lastcpu_kernel_of_2011.elf, the example kernel with that design in lastcpu's place

The seeds are tried in turn until the old design loses the dump; lastcpu then gets the same seed.
"""
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Kernel  # noqa: E402
from log import read as read_log  # noqa: E402

RACES = ("oops_vs_panic", "nmi_on_dumper")
MOST_SEEDS = 200  # about one in eight loses it
HANGS_AFTER_S = 8


class ShortBoot(Boot):
    def deadline(self):
        return HANGS_AFTER_S


def loss(boot, kernel, log):
    """How the dump was lost, or None. A machine that never came to the race has lost nothing."""
    ended = qemu.run(boot, kernel, log)
    facts = read_log(ended.log)
    if facts.done is not None or not facts.images:
        return None
    return verdict.end_of(ended.status)


def first_loss(name, kernel, logs):
    def try_seed(seed):
        return seed, loss(ShortBoot(name, 2, seed=seed), kernel, logs / f"2011-{name}-{seed}.log")

    for seed, how in qemu.at_once(try_seed, range(1, MOST_SEEDS + 1)):
        if how is not None:
            return seed, how
    return None, None


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: specimen_test.py BUILD")
    qemu.require_qemu()
    build = Path(sys.argv[1])
    lastcpu = Kernel.of_build(build)
    old = Kernel.of_files(build / "tests" / "boot" / "lastcpu_kernel_of_2011.elf", lastcpu.crash_elf)
    logs = build / "tests" / "boot" / "logs" / "specimens"
    passed = failed = 0
    for name in RACES:
        seed, how = first_loss(name, old, logs)
        if seed is None:
            print(f"FAILED: {name}: the design of 2011 has not lost one dump of {MOST_SEEDS}: is this still the race?")
            failed += 1
            continue
        boot, log = Boot(name, 2, seed=seed), logs / f"lastcpu-{name}-{seed}.log"
        ended = qemu.run(boot, lastcpu, log)
        problems = verdict.judge(boot, scenarios.BY_NAME[name], ended, lastcpu.text)
        if problems:
            print(qemu.explain(boot, ended, problems, log, f"tools/soak --kernel --replay {name}:2:{seed} --boots 20"))
            failed += 1
            continue
        print(f"ok: {name}, seed {seed}: the design of 2011 loses the dump ({how}), lastcpu does not")
        passed += 1
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
