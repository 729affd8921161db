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


def anything(_boot, _cpu):
    return None


def its_role(boot, cpu):
    return f"panic in role {(cpu - boot.seed) % boot.cpus}"


def its_role_or_fault(boot, cpu):
    return "page fault at 0x" if cpu == cpu_of(0, boot) else its_role(boot, cpu)


def nothing_more(_facts, _boot, _end):
    return ()


@dataclass(frozen=True)
class Scenario:
    name: str
    sentence: str  # the name of its test, without the machine
    racing: bool = False
    ends: frozenset = frozenset({CRASH})
    without_image: bool = False  # odd seeds hand no image over; a trial hold is short then, and long otherwise
    least_cpus: int = 2
    lost: bool = False  # who crashes has left the kernel's code
    crowd: bool = False  # every CPU has a part in it: booted with 255, too
    not_started: tuple = ()    # why a restart may come instead of the crash kernel
    silent: Callable = nobody  # (boot) -> the CPUs that can't answer
    says: Callable = anything  # (boot, CPU) -> how its message begins, None if that is not known
    more: Callable = nothing_more  # (facts, boot, end) -> sentences about what else is wrong

    def image_for(self, seed):
        """Which form of the crash kernel is handed over."""
        return "none" if self.without_image and seed % 2 else "elf"


def role_1(boot):
    return (cpu_of(1, boot),)


def all_but_role_0(boot):
    return tuple(cpu_of(role, boot) for role in range(1, boot.cpus))


def role_1_by_nmi(facts, boot, end):
    n = cpu_of(1, boot)
    if end == CRASH and n in facts.cpus and facts.cpus[n].state != "by nmi":
        yield f"CPU {n} had its interrupts off, and is {facts.cpus[n].state}, not by nmi"


def somebody_by_irq(facts, boot, end):
    """A stop interrupt whose handler did nothing would go unnoticed otherwise: the NMI comes behind it."""
    if end == CRASH and 2 <= boot.cpus <= 8 and not any(c.state == "by irq" for c in facts.cpus.values()):
        yield "all were idle, and none was stopped by irq"


def dumper_said_in_nmi(facts, _boot, _end):
    if not any("said in NMI" in c.said for c in facts.cpus.values() if c.crashing):
        yield "what the crashing CPU said in NMI context is lost"


def oopsed(facts, _boot, _end):
    if not facts.oopses:
        yield "there was no fault"


def said_nested(facts, _boot, end):
    if end == CRASH and not any("said nested" in c.said for c in facts.cpus.values() if c.crashing):
        yield "the crashing CPU's nested panic is lost"


def says_in_role_0(text):
    return lambda boot, cpu: text if cpu == cpu_of(0, boot) else None


def refused_as_not_executable(facts, _boot, _end):
    if len(facts.images) != 2 or "no-execute" not in facts.images[1]:
        yield f"an image in a region that is mapped no-execute was not refused: {facts.images}"


RESTARTS = frozenset({RESTART})
EITHER = frozenset({CRASH, RESTART})
SCENARIOS = (
    Scenario("panic", "a_panic_starts_the_crash_kernel", crowd=True, least_cpus=1, more=somebody_by_irq),
    Scenario("oops", "an_oops_starts_the_crash_kernel", least_cpus=1, more=somebody_by_irq),
    Scenario("panic_before_eoi", "a_panic_in_an_interrupt_before_its_end_starts_the_crash_kernel",
             says=lambda boot, cpu: "in an interrupt" if cpu == cpu_of(1, boot) else None),
    Scenario("panic_vs_panic", "when_all_cpus_panic_one_starts_the_crash_kernel", racing=True, crowd=True,
             says=its_role),
    Scenario("same_tick", "two_panics_at_the_same_tick_start_one_crash_kernel", racing=True,
             says=its_role),
    Scenario("oops_vs_panic", "an_oops_and_a_panic_start_one_crash_kernel", racing=True,
             says=its_role_or_fault),
    Scenario("nmi_on_dumper", "an_nmi_panic_on_the_dumping_cpu_returns", racing=True, more=dumper_said_in_nmi),
    Scenario("nmi_loser", "a_cpu_that_panics_in_nmi_context_is_in_the_report", racing=True),
    Scenario("released_under_waiter", "a_waiter_takes_the_gate_that_is_given_back", racing=True, ends=RESTARTS,
             without_image=True, not_started=("image_corrupt",)),
    Scenario("released_once", "a_waiter_wakes_up_when_the_gate_is_given_back_once", racing=True),
    Scenario("nmi_panic_pending", "an_nmi_panic_that_is_pending_is_not_lost", racing=True, ends=RESTARTS,
             without_image=True, not_started=("image_corrupt",), more=dumper_said_in_nmi),
    Scenario("double_stop", "stopping_twice_gives_the_first_report", racing=True, least_cpus=1),
    Scenario("stray_ack", "stray_interrupts_stop_nobody_and_count_for_nobody", racing=True),
    Scenario("late_ack", "who_answers_after_the_report_stays_silent_in_it", crowd=True, silent=role_1),
    Scenario("concurrent_stop", "only_the_owner_stops_the_others", racing=True),
    Scenario("reload_vs_crash", "a_crash_while_loading_starts_a_whole_image_or_none", racing=True, ends=EITHER,
             not_started=("image_busy", "no_image")),
    Scenario("nested_in_step", "a_fault_inside_a_step_goes_on_at_the_next", racing=True, more=said_nested),
    Scenario("fault_in_each_rung", "a_fault_in_each_stop_request_still_reaches_the_crash_kernel", silent=all_but_role_0,
             more=said_nested),
    Scenario("fault_in_shutdown", "a_fault_in_the_last_step_before_the_jump_does_not_stop_it", least_cpus=1,
             more=oopsed),
    Scenario("wedged_irqs_off", "a_cpu_with_interrupts_off_is_stopped_by_nmi", more=role_1_by_nmi),
    Scenario("wedged_without_stack", "a_cpu_without_a_stack_is_stopped_by_nmi", more=role_1_by_nmi),
    Scenario("wedged_in_nmi", "a_cpu_wedged_in_an_nmi_is_named_silent", silent=role_1),
    Scenario("nmi_storm", "an_nmi_storm_does_not_disturb_the_dump", racing=True),
    Scenario("nmi_storm_to_the_end", "an_nmi_storm_that_nothing_stops_does_not_disturb_the_crash_kernel",
             silent=role_1),
    Scenario("smi_storm_on_parked", "a_parked_cpu_stays_down_in_a_storm_of_smis", least_cpus=3, silent=role_1),
    Scenario("machine_check_on_parked", "a_parked_cpu_survives_a_machine_check", racing=True),
    Scenario("page_fault_in_reporter", "a_page_fault_in_the_report_does_not_stop_the_crash", least_cpus=1,
             more=said_nested),
    Scenario("stack_overflow", "a_stack_overflow_ends_in_a_dump", least_cpus=1, more=oopsed,
             says=says_in_role_0("stack overflow at 0x")),
    Scenario("write_to_text", "a_write_to_the_kernels_code_ends_in_a_dump", least_cpus=1, more=oopsed,
             says=says_in_role_0("page fault at 0x")),
    Scenario("write_to_text_elsewhere", "a_write_to_the_kernels_code_by_the_direct_map_ends_in_a_dump", least_cpus=1,
             more=oopsed, says=says_in_role_0("page fault at 0x")),
    Scenario("write_to_rodata", "a_write_to_a_constant_ends_in_a_dump", least_cpus=1, more=oopsed,
             says=says_in_role_0("page fault at 0x")),
    Scenario("run_data", "a_call_of_data_ends_in_a_dump", least_cpus=1, lost=True, more=oopsed,
             says=says_in_role_0("page fault at 0x")),
    Scenario("no_image", "without_an_image_it_restarts_and_says_why", ends=RESTARTS, not_started=("no_image",),
             least_cpus=1),
    Scenario("damaged_image", "a_damaged_image_is_not_started", ends=RESTARTS, not_started=("image_corrupt",),
             least_cpus=1),
    Scenario("region_not_executable", "a_region_mapped_no_execute_is_refused_when_it_is_loaded", ends=RESTARTS,
             not_started=("no_image",), least_cpus=1, more=refused_as_not_executable),
    Scenario("nothing", "nothing_happens_and_it_says_goodbye", ends=frozenset({BYE}), least_cpus=1),
)
BY_NAME = {s.name: s for s in SCENARIOS}
