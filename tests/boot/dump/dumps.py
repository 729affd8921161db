# SPDX-License-Identifier: BSL-1.0
"""What every way to a dump must show: scenarios of tests/boot/example/kernel, and the functions in the backtraces of their CPUs."""
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "example"))

import scenarios  # noqa: E402
from judge import Cpu, Expected  # noqa: E402

IDLE = ("work::idle",)
SEED = 1  # role 0 is CPU 1's


@dataclass(frozen=True)
class Dumped:
    scenario: str
    sentence: str
    roles: dict                      # {role: functions from the innermost on, as in judge.Cpu}; all others are idle
    crashed: int | None = None       # this role; None: whoever wins
    silent: int | None = None        # this one does not answer
    stopped: dict = field(default_factory=dict)  # {role: functions before those of `roles` where a debugger has stopped it}


def playing(*names):
    """At the end of each backtrace of a CPU with a role."""
    return (*names, "play", *IDLE)


SIGNAL = "<signal handler called>"
ALL = (
    Dumped("same_tick", "two CPUs panic together", {0: playing("panic_as", "same_tick"), 1: playing("panic_as", "same_tick")}),
    Dumped("panic", "a panic on an application CPU", {0: playing("panic")}, crashed=0),
    Dumped("nmi_loser", "a panic in an NMI", {0: playing("nmi_loser"), 1: playing("nmi_loser")},
           stopped={1: ("handle_nmi|handle_stop", SIGNAL)}),  # it may be stopped before it comes to that
    Dumped("page_fault_in_reporter", "a fault in the reporter", {0: playing("page_fault_in_reporter")}, crashed=0,
           stopped={0: ("page_fault_oops", SIGNAL, "kernel_policy::report")}),
    Dumped("panic_before_eoi", "a panic in an interrupt before its end",
           {0: playing("panic_before_eoi"), 1: ("panic_in_interrupt", SIGNAL, *playing("panic_before_eoi"))}, crashed=1),
    Dumped("wedged_in_nmi", "a CPU that is silent", {0: playing("wedged_in_nmi"), 1: playing("wedged_in_nmi")}, crashed=0,
           silent=1, stopped={1: ("wedge", "handle_nmi", SIGNAL)}),
)
BY_NAME = {d.scenario: d for d in ALL}
RACING = (BY_NAME["same_tick"], BY_NAME["nmi_loser"])


def cover(way):
    """[(what, CPUs)] for the way of this number: not the product. Each way has each scenario and each number of CPUs; three
    ways that follow on each other have each scenario with each number, but for the silent one on 2 CPUs, which costs seconds:
    boot_test.py has that."""
    return [(d, (4, 8, 2)[(i + way) % 3] if d.silent is None else (4, 8)[way % 2]) for i, d in enumerate(ALL)]


def role_of(boot, cpu):
    return (cpu - boot.seed) % boot.cpus


def expected(dumped, boot, stopped=False, silent_too=False, **more):
    """For judge.judge(). stopped: the registers are not those that the kernel has saved, but a debugger has stopped each
    CPU where it was in the end. silent_too: a CPU that did not answer has registers all the same."""
    cpus = {}
    for n in range(boot.cpus):
        role = role_of(boot, n)
        if role == dumped.silent and not silent_too:
            continue
        inner = dumped.stopped.get(role, ()) if stopped or role == dumped.silent else ()
        cpus[n] = Cpu(inner + dumped.roles.get(role, IDLE))
    crashed = None if dumped.crashed is None else scenarios.cpu_of(dumped.crashed, boot)
    return Expected(cpus, crashed=crashed, **more)
