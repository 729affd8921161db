#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""by_c_test.py PROGRAM...: the unit tests of the domain that were built once more over the C interface (tested.hpp).
Each passes but those that ask for what C can't express: LEFT_OUT says how many, and why."""
import re
import subprocess
import sys
from pathlib import Path

NO_CALL, NO_CHOICE, OTHER_BUILD = "no call", "no choice", "another build"
LEFT_OUT = {  # a pattern of gtest: how many tests, which kind of reason, the reason
    "crash_kexec.for_owners_*": (2, NO_CALL, "__crash_kexec(), for who has claimed the gate by hand"),
    "crash_kexec.of_an_unknown_cpu_is_refused": (1, NO_CALL, "__crash_kexec(), for who has claimed the gate by hand"),
    "crash_kexec.stop*": (2, NO_CALL, "stop_others()"),
    "standing_report.calls_a_cpu_silent_*": (1, NO_CALL, "stop_others()"),
    "standing_report.is_the_same_when_*": (1, NO_CALL, "stop_others()"),
    "standing_report.is_collected_also_*": (1, NO_CALL, "stop_others()"),
    "unknown_cpu.that_owns_the_gate_is_told_so_*": (1, NO_CALL, "stop_others()"),
    "adopted_cpu.*": (4, NO_CALL, "adopt_this_cpu(): a kernel in C numbers its CPUs before they panic"),
    "never_adopted_cpu.*": (1, NO_CALL, "adopt_this_cpu()"),
    "refused_cpu.*": (1, NO_CALL, "adopt_this_cpu()"),
    "forgotten_cpu.*": (1, NO_CALL, "adopt_this_cpu()"),
    "late_oops.*": (1, NO_CHOICE, "crash_kexec_post_notifiers"),
    "crash_kexec_post_notifiers.*": (2, NO_CHOICE, "crash_kexec_post_notifiers"),
    "panic_post_notifiers.*": (5, NO_CHOICE, "crash_kexec_post_notifiers"),
    "oops_policy.go_on_touches_nothing_*": (1, NO_CHOICE, "an oops that leaves a loaded crash kernel alone"),
    "crash_kexec_no_restart.*": (1, NO_CHOICE, "halt in place of the restart: leave lastcpu_kernel_restart() out"),
    "unknown_cpu.obeys_the_policy_that_says_halt": (1, NO_CHOICE, "halt in place of the restart"),
    "crash_kexec_four_rungs.*": (1, NO_CHOICE, "rungs of one's own"),
    "crash_kexec.goes_from_the_claim_to_the_jump_*": (1, NO_CHOICE, "a ladder without a summary"),
    "summary_without_one.*": (1, NO_CHOICE, "a ladder without a summary"),
    "crash_kexec_slow_restart.*": (1, OTHER_BUILD, "LASTCPU_RESTART_DELAY_US is a constant"),
    "no_messages.*": (2, OTHER_BUILD, "LASTCPU_MESSAGE_BYTES is a constant; tests/unit/c has it 0"),
    "panic_notes_with_a_clock_that_faults.*": (1, OTHER_BUILD, "lastcpu_kernel_now() does not fault in the machine"),
    "nameless_cpu.*": (1, OTHER_BUILD, "lastcpu_kernel_hardware_id() is left out when the kernel is linked"),
}


# The words of the reasons above that docs/c.md has a row for.
IN_THE_DOCUMENT = ("stop_others()", "__crash_kexec()", "adopt_this_cpu()", "crash_kexec_post_notifiers",
                   "rungs of one's own", "a ladder without a summary")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs/c.md"


def tests_of(program, pattern):
    """Their names."""
    command = [program, "--gtest_list_tests", f"--gtest_filter={pattern}"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    suite, found = "", []
    for line in listed.splitlines():
        if match := re.fullmatch(r"(\w\S*\.)(?:  #.*)?", line):
            suite = match[1]
        elif match := re.match(r"  (\S+)", line):
            found.append(suite + match[1])
    return found


def passes(program):
    """(how many passed, what is wrong or None)"""
    command = [program, f"--gtest_filter=-{':'.join(LEFT_OUT)}", "--gtest_brief=1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    passed = re.search(r"^\[  PASSED  \] (\d+) test", done.stdout, re.MULTILINE)
    if done.returncode == 0 and passed and int(passed[1]) > 0:
        return int(passed[1]), None
    return 0, f"{' '.join(command)}: status {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"


def main():
    programs = sys.argv[1:]
    wrong = []
    for pattern, (count, kind, reason) in LEFT_OUT.items():
        found = [test for program in programs for test in tests_of(program, pattern)]
        if len(found) != count:
            wrong.append(f"{pattern}: {len(found)} tests are left out, not {count}: {found}")
        print(f"left out, {kind}: {len(found)} {pattern}: {reason}")
    text = DOCUMENT.read_text(encoding="utf-8")
    for word in IN_THE_DOCUMENT:
        if not re.search(rf"^\|.*{re.escape(word)}", text, re.MULTILINE):
            wrong.append(f"{DOCUMENT} has no row for {word}")
    passed = 0
    for program in programs:
        number, problem = passes(program)
        passed += number
        wrong += [problem] if problem else []
    for what in wrong:
        print(f"FAILED: {what}")
    print(f"{sum(count for count, _, _ in LEFT_OUT.values())} left out")
    print(f"{passed} passed, {len(wrong)} failed")
    return 0 if passed and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
