#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Boots the example kernel in QEMU and judges what it writes to its serial line. Ends with "N passed, N failed".

  boot_test.py --build build/gcc-release --group panic_vs_panic      what ctest runs; --groups lists them
  boot_test.py --build build/gcc-release --scenario panic_vs_panic --cpus 4 --seed 3 --repeat 20
"""
import argparse
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import by_c  # noqa: E402
import deterministic  # noqa: E402
import example  # noqa: E402
import first_frame  # noqa: E402
import grub  # noqa: E402
import machine_check  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

HERE = Path(__file__).resolve().parent
REPEATS = 2  # of the racing ones; tools/soak boots them by the thousand
SMALL, SMALL_AT_ONCE = 8, 3  # CPUs, boots: many of them do nothing but wait for a CPU that is silent
MOST_HANGS = 2  # each costs a whole deadline; behind that many the other boots of a group are given up
ALONE = {"deterministic": deterministic, "example": example, "first_frame": first_frame, "grub": grub,
         "machine_check": machine_check.ON_STOPPED,
         "machine_checks_at_once": machine_check.AT_ONCE,
         "machine_check_on_dumper": machine_check.ON_DUMPER}  # groups with a way of their own


def boot_of(scenario, cpus, machine="q35", seed=1, **more):
    return Boot(scenario.name, cpus, machine, seed, scenario.image_for(seed), **more)


def q35(scenario):
    return [boot_of(scenario, cpus, seed=seed) for cpus in (2, 4, 8) if cpus >= scenario.least_cpus
            for seed in range(1, 1 + (REPEATS if scenario.racing else 1))]


def groups():
    """{name: (sentence, boots)}: each is one ctest test."""
    every = scenarios.SCENARIOS
    out = {s.name: (s.sentence, q35(s)) for s in every}
    # Where CPUs race, nothing but the CPUs and their APICs has a part in it, which are the same there.
    out["pc"] = ("every_scenario_without_a_race_ends_well_on_pc", [boot_of(s, 4, "pc") for s in every if not s.racing])
    out["one_cpu"] = ("one_cpu_alone_ends_well", [boot_of(s, 1) for s in every if s.least_cpus == 1])
    out["flat"] = ("a_flat_image_is_started_too", [Boot(name, 4, image="flat") for name in ("panic", "same_tick")])
    out["moved"] = ("a_position_independent_image_is_started_wherever_the_region_is",
                    [Boot("panic", 2, image="pie"), Boot("same_tick", 4, image="pie", words=("crashkernel=16M@157M",)),
                     Boot("oops", 2, image="pie", megabytes=3072, words=("crashkernel=32M@5007M",))])
    out["damaged"] = ("a_file_that_is_damaged_is_refused", [Boot("no_image", 2, image="damaged")])
    # Where all have a part in it there are 255.
    out["64_cpus"] = ("what_several_cpus_have_a_part_in_ends_well_on_64_cpus",
                      [boot_of(s, 64) for s in every if (s.racing or s.least_cpus > 2) and not s.crowd])
    out["255_cpus"] = ("what_every_cpu_has_a_part_in_ends_well_on_255_cpus",
                       [boot_of(s, 255) for s in every if s.crowd])
    out["by_c"] = (by_c.SENTENCE, by_c.boots())
    out |= {name: (module.SENTENCE, []) for name, module in ALONE.items()}
    return out


def repeat_of(o, b):
    return (f"python3 {sys.argv[0]} --build {o.build} --scenario {b.scenario}{' --by-c' * o.by_c} --cpus {b.cpus} "
            f"--machine {b.machine} --seed {b.seed} --image {b.image} --repeat 20")


def is_small(boots):
    return all(b.cpus <= SMALL for b in boots)


def run_all(boots, kernel, logs, o):
    """(passed, failed); tells of each that fails."""
    hangs = []

    def run_one(numbered):
        i, b = numbered
        log = logs / f"{i:03}-{b.scenario}-{b.machine}-{b.cpus}-{b.seed}.log"
        if len(hangs) >= MOST_HANGS:
            return b, log, None, ["not run"]
        ended = qemu.run(b, kernel, log)
        if ended.status is None:
            hangs.append(b)
        return b, log, ended, verdict.judge(b, scenarios.BY_NAME[b.scenario], ended, kernel)

    passed = failed = 0
    many = SMALL_AT_ONCE if is_small(boots) else qemu.AT_ONCE
    for b, log, ended, problems in qemu.at_once(run_one, list(enumerate(boots)), many):
        if ended is None:
            failed += 1
            print(f"FAILED: {b}: not run, since {MOST_HANGS} before it hung", flush=True)
        elif problems:
            failed += 1
            print(qemu.explain(b, ended, problems, log, repeat_of(o, b)), flush=True)
        else:
            passed += 1
            print(f"ok: {b}, {ended.seconds:.1f} s", flush=True)
    return passed, failed


def numbers(text):
    """"2,4-6" as [2, 4, 5, 6]."""
    out = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (last or first).isdigit() and 1 <= int(first) <= int(last or first) <= 255):
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers from 1 to 255, such as 2,4-6")
        out += range(int(first), int(last or first) + 1)
    return out


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/gcc-release", help="where it was built (build/gcc-release)")
    parser.add_argument("--groups", action="store_true", help="list the groups, each with its sentence")
    parser.add_argument("--group", help="all boots of this one")
    parser.add_argument("--scenario", choices=scenarios.BY_NAME, help="only this one")
    parser.add_argument("--by-c", action="store_true", help="the kernel on the C interface")
    parser.add_argument("--cpus", type=numbers, default=[2, 4, 8], help="how many, such as 2,4 or 2-16 (2,4,8)")
    parser.add_argument("--machine", default="q35", help="QEMU's (q35)")
    parser.add_argument("--image", choices=("elf", "flat", "pie", "none", "damaged"),
                        help="which form of the crash kernel is handed over")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="this many times")
    parser.add_argument("--accept", action="store_true", help="keep the deterministic timeline as it is now")
    return parser, parser.parse_args()


def wanted_boots(parser, o):
    if o.group is not None:
        if o.group not in groups():
            parser.error(f"--group: there is no '{o.group}'; use one of: {', '.join(groups())}")
        return groups()[o.group][1]
    if o.scenario is None:
        parser.error("say what to boot: --group or --scenario; --groups lists the groups")
    s = scenarios.BY_NAME[o.scenario]
    image = o.image or s.image_for(o.seed)
    return [Boot(s.name, cpus, o.machine, o.seed, image) for _ in range(o.repeat) for cpus in o.cpus]


def main():
    parser, o = parse_options()
    if o.groups:
        for name, (sentence, boots) in groups().items():
            print(name, sentence, 1 if is_small(boots) else qemu.AT_ONCE)  # one after another where `boots` is empty
        return 0
    began = time.monotonic()
    boots = wanted_boots(parser, o)
    qemu.require_qemu()
    o.by_c = o.by_c or o.group == "by_c"
    kernel = Kernel.of_build(o.build, by_c.KERNEL) if o.by_c else Kernel.of_build(o.build)
    logs = Path(o.build).resolve() / "tests" / "boot" / "example" / "logs" / (o.group or "by_hand")
    if o.group in ALONE:
        passed, failed = ALONE[o.group].run(kernel, logs, o)
    else:
        passed, failed = run_all(boots, kernel, logs, o)
    if o.group == "by_c":
        refused, not_refused = by_c.refuses_the_rest(kernel, logs)
        passed, failed = passed + refused, failed + not_refused
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
