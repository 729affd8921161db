# SPDX-License-Identifier: BSL-1.0
"""What the example kernel can be told to do, and what each boot of it must end with."""
from dataclasses import dataclass
from typing import Callable

CRASH, RESTART, BYE = "crash kernel", "restart", "bye"


def nobody(_boot):
    return ()


def cpu_of(role, boot):
    """The CPU that plays this role: the seed turns the roles around the CPUs."""
    return (role + boot.seed) % boot.cpus


def nothing_more(_facts, _boot, _end):
    return ()


@dataclass(frozen=True)
class Scenario:
    name: str
    sentence: str  # the name of its test, without the machine
    racing: bool = False
    ends: frozenset = frozenset({CRASH})
    hand_over: str = "elf"     # the image that is given to the kernel
    image: str = "loaded"      # what the kernel says of it
    not_started: str = ""      # why a restart came instead of the crash kernel
    least_cpus: int = 2
    silent: Callable = nobody  # (boot) -> the CPUs that can't answer
    more: Callable = nothing_more  # (facts, boot, end) -> sentences about what else is wrong


def some_state(*states):
    """At least one other CPU was stopped in one of these ways."""
    def check(facts, _boot, end):
        if end == CRASH and not any(c.state in states for c in facts.cpus.values()):
            yield f"no CPU is {' or '.join(states)}"
    return check


def said_in_nmi(facts, _boot, end):
    """Somebody's panic in NMI context is in the report."""
    if end == CRASH and not any("said in NMI" in c.said for c in facts.cpus.values()):
        yield "nobody said anything in NMI context"


def said_nested(facts, _boot, end):
    if end == CRASH and not any("said nested" in c.said for c in facts.cpus.values() if c.crashing):
        yield "the crashing CPU's nested panic is lost"


SCENARIOS = (
    Scenario("panic", "a_panic_starts_the_crash_kernel", least_cpus=1),
    Scenario("oops", "an_oops_starts_the_crash_kernel", least_cpus=1),
    Scenario("panic_vs_panic", "of_two_panics_one_starts_the_crash_kernel", racing=True),
    Scenario("oops_vs_panic", "an_oops_and_a_panic_start_one_crash_kernel", racing=True),
    Scenario("nmi_on_dumper", "an_nmi_panic_on_the_dumping_cpu_returns", racing=True, least_cpus=1),
    Scenario("nmi_loser", "a_cpu_that_loses_in_nmi_context_is_in_the_report", racing=True),
    Scenario("released_under_waiter", "a_waiter_takes_the_gate_that_is_given_back", racing=True, ends=frozenset({RESTART}),
             hand_over="none", image="", not_started="no image"),
    Scenario("nmi_panic_pending", "an_nmi_panic_that_is_pending_is_not_lost", racing=True, ends=frozenset({RESTART}),
             hand_over="none", image="", not_started="no image", least_cpus=1),
    Scenario("double_stop", "stopping_twice_gives_the_first_report", racing=True, least_cpus=1),
    Scenario("stray_ack", "stray_interrupts_stop_nobody_and_count_for_nobody", racing=True),
    Scenario("late_ack", "a_late_answer_counts_once", racing=True),
    Scenario("concurrent_stop", "only_the_owner_stops_the_others", racing=True),
    Scenario("reload_vs_crash", "a_crash_while_loading_starts_a_whole_image_or_none", racing=True,
             ends=frozenset({CRASH, RESTART}), not_started="image busy"),
    Scenario("nested_in_step", "a_fault_inside_a_step_goes_on_at_the_next", racing=True, least_cpus=1,
             more=said_nested),
    Scenario("wedged_irqs_off", "a_cpu_with_interrupts_off_is_stopped_by_nmi", more=some_state("by_nmi")),
    Scenario("wedged_in_nmi", "a_cpu_wedged_in_an_nmi_is_named_silent", silent=lambda boot: (cpu_of(1, boot),)),
    Scenario("nmi_storm", "an_nmi_storm_does_not_disturb_the_dump", racing=True),
    Scenario("machine_check_on_parked", "a_parked_cpu_survives_a_machine_check"),
    Scenario("page_fault_in_reporter", "a_page_fault_in_the_report_does_not_stop_the_crash", least_cpus=1,
             more=said_nested),
    Scenario("same_tick", "two_panics_at_the_same_tick_start_one_crash_kernel", racing=True),
    Scenario("no_image", "without_an_image_it_restarts_and_says_why", ends=frozenset({RESTART}),
             not_started="no image", least_cpus=1),
    Scenario("damaged_image", "a_damaged_image_is_not_started", ends=frozenset({RESTART}), not_started="image corrupt",
             least_cpus=1),
    Scenario("nothing", "nothing_happens_and_it_says_goodbye", ends=frozenset({BYE}), least_cpus=1),
)
BY_NAME = {s.name: s for s in SCENARIOS}
