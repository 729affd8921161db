# SPDX-License-Identifier: BSL-1.0
"""The scenarios once more, with the kernel on lastcpu's C interface (kernel/by_c): the same sources, the same judge."""
import boot as qemu
import scenarios
from boot import Boot

KERNEL = "tests/boot/example/kernel/lastcpu_c_scenario_kernel.elf"
SENTENCE = "every_scenario_that_c_has_calls_for_ends_well_by_the_c_interface"
# What C has no call for. The kernel says so, and ends.
NOT_IN_C = {"released_once": "takes the gate on trial by hand and gives it back; in C crash_kexec() alone does",
            "double_stop": "stops the others by hand, twice; in C a panic does, once",
            "concurrent_stop": "asks to stop the others without a panic; C has no stop_others()"}
REFUSED_STATUS = 2 * 5 + 1
REFUSES = "kernel: C has no call for it"
MOST_SEEDS = 8  # where CPUs race, the one with that call may be stopped before it


def boots():
    """One of each, on 4 CPUs where several have a part in it or one is silent: two would wait for that one for long."""
    played = [s for s in scenarios.SCENARIOS if s.name not in NOT_IN_C]
    four = [s.racing or s.crowd or s.silent is not scenarios.nobody for s in played]
    return [Boot(s.name, 4 if wide else max(2, s.least_cpus), seed=seed, image=s.image_for(seed))
            for seed, (s, wide) in enumerate(zip(played, four), 1)]


def is_refused(name, kernel, logs):
    for seed in range(1, 1 + MOST_SEEDS):
        ended = qemu.run(Boot(name, 2, seed=seed), kernel, logs / f"refused-{name}-{seed}.log")
        if ended.status == REFUSED_STATUS and REFUSES in ended.log.splitlines():
            return True
    return False


def refuses_the_rest(kernel, logs):
    """(passed, failed)"""
    failed = 0
    for name, refused in zip(NOT_IN_C, qemu.at_once(lambda name: is_refused(name, kernel, logs), NOT_IN_C)):
        failed += not refused
        said = f"ok: {name} is refused: it {NOT_IN_C[name]}"
        print(said if refused else f"FAILED: {name} is not refused, with none of {MOST_SEEDS} seeds; logs: {logs}")
    return len(NOT_IN_C) - failed, failed
