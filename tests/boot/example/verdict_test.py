#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The checker of the boot tests must find each defect: a good log is damaged in one way, and a sentence is expected.

  verdict_test.py PROMISES    the program lastcpu_trace_promises of a build
"""
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import deterministic  # noqa: E402
import events  # noqa: E402
import example  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Ended, Kernel  # noqa: E402
from log import read as read_log  # noqa: E402

if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
    sys.exit("usage: verdict_test.py PROMISES, such as build/gcc-release/tests/support/lastcpu_trace_promises")
TEXT = range(0xFFFFFFFF80200000, 0xFFFFFFFF80210000)
KERNEL = Kernel(*[Path("no file")] * 4, TEXT, Path(sys.argv.pop(1)))

GOOD = """\
kernel: 4 cpus online, tsc 1000000000 Hz
kernel: image loaded, 65536 bytes
kernel: scenario panic_vs_panic seed 3
panic: cpu 1: panic in role 2

crash: started, panic to here 812 us
crash: cpu 1 crashing running registers valid rip 0xffffffff80201234 rsp 0xffffffff80402000
crash: cpu 1 said: panic in role 2
crash: cpu 1   #0 0xffffffff80201234 #1 0xffffffff80201300
crash: cpu 0 stopped by irq registers valid rip 0xffffffff80203456 rsp 0xffffffff80401000
crash: cpu 0   #0 0xffffffff80203456
crash: cpu 2 stopped parked registers valid rip 0xffffffff80202222 rsp 0xffffffff80403000
crash: cpu 2 said: panic in role 3
crash: cpu 2   #0 0xffffffff80202222 #1 0xffffffff80201300
crash: cpu 3 stopped by nmi registers valid rip 0xffffffff80203456 rsp 0xffffffff80404000
crash: cpu 3   #0 0xffffffff80203456
trace: 1000 1 claim_won 2
trace: 1010 2 claim_lost 1
trace: 1020 2 acknowledged 2
trace: 1100 1 step_begun 1
trace: 1200 1 step_begun 4
trace: 1210 1 committed 0
trace: 1220 2 parked 0
trace: 1300 1 step_begun 6
trace: 1310 1 stop_sent 0
trace: 1320 1 stop_sent 3
trace: 1400 0 parked 0
trace: 1410 0 acknowledged 3
trace: 1500 1 step_begun 7
trace: 1510 1 stop_sent 3
trace: 1600 3 parked 0
trace: 1610 3 acknowledged 4
trace: 1700 1 step_begun 16
crash: done, 4 cpus, 0 silent
"""

RESTARTED = """\
kernel: 2 cpus online, tsc 1000000000 Hz
kernel: image loaded, 65536 bytes
kernel: scenario damaged_image seed 1
panic: cpu 0: told to
kernel: cpu 0 was running a test
kernel: crash kernel not started: image_corrupt
kernel: cpu 0 stopped running registers valid
kernel: cpu 1 stopped by irq registers valid
kernel: cpu 0 said: told to
kernel: restarting
"""

NOTHING = """\
kernel: 2 cpus online, tsc 1000000000 Hz
kernel: scenario nothing seed 1
kernel: image loaded, 65536 bytes
kernel: nothing to do, bye
"""


def judged(log, status=verdict.DONE_STATUS, scenario="panic_vs_panic", cpus=4, seed=3):
    return verdict.judge(Boot(scenario, cpus, seed=seed), scenarios.BY_NAME[scenario],
                         Ended(log, status, 1.0, "qemu", ""), KERNEL)


class Names(unittest.TestCase):
    def test_of_the_timeline_are_those_of_the_headers(self):
        self.assertEqual(events.PHASES[:2], ("open", "trial"))
        self.assertEqual((events.STATES[0], events.STATES[2], events.STATES[-1]), ("absent", "parked", "gone"))
        self.assertEqual((events.STEPS[1], events.STEPS[-1]), ("report", "halt"))
        self.assertEqual((events.KINDS[0], len(events.KINDS)), ("claim_won", 11))


class the_checker(unittest.TestCase):
    def expect(self, problems, sentence):
        self.assertTrue(any(sentence in p for p in problems), f"no '{sentence}' in {problems}")

    def damaged(self, old, new, sentence, **more):
        self.assertIn(old, GOOD)
        self.expect(judged(GOOD.replace(old, new), **more), sentence)

    def without(self, start, sentence):
        kept = [line for line in GOOD.splitlines(True) if not line.startswith(start)]
        self.assertLess(len(kept), len(GOOD.splitlines()))
        self.expect(judged("".join(kept)), sentence)

    def test_passes_a_good_log(self):
        self.assertEqual(judged(GOOD), [])
        self.assertEqual(judged(GOOD.replace("\n", "\r\n")), [])

    def test_passes_a_good_restart(self):
        self.assertEqual(judged(RESTARTED, 0, "damaged_image", 2, 1), [])

    def test_passes_a_crash_kernel_that_starts_after_all(self):
        told = "kernel: cpu 2 stopped parked registers valid\nkernel: cpu 2 said: panic in role 3\n"
        self.assertEqual(judged(GOOD.replace("\n\ncrash: started", f"\n{told}\ncrash: started", 1)), [])

    def test_names_a_log_with_nothing_in_it(self):
        self.expect(judged(""), "0 CPUs are online")
        self.expect(judged(""), "0 crash kernels were started")

    def test_finds_two_crash_kernels(self):
        start = "crash: started, panic to here 812 us\n"
        self.damaged(start, start + start, "2 crash kernels were started")

    def test_finds_a_second_report_behind_the_first(self):
        report = GOOD[GOOD.index("crash: started"):]
        self.expect(judged(GOOD + report), "behind the last line")

    def test_finds_a_crash_kernel_that_never_started(self):
        self.without("crash: started", "0 crash kernels were started")

    def test_finds_the_lost_message_of_a_parked_cpu(self):
        self.without("crash: cpu 2 said", "CPU 2 is parked, and its message is lost")
        self.without("crash: cpu 2 said", "CPU 2 lost the race for the gate, and its message is lost")

    def test_finds_the_lost_message_of_the_crashing_cpu(self):
        self.without("crash: cpu 1 said", "the message of the crashing CPU 1 is lost")

    def test_finds_the_message_of_another_cpu(self):
        self.damaged("said: panic in role 3", "said: panic in role 2", "CPU 2 said 'panic in role 3', and is kept as")
        self.damaged("panic: cpu 1: panic", "panic: cpu 1: no panic", "CPU 1 panicked with 'no panic")

    def test_finds_an_empty_message(self):
        self.damaged("said: panic in role 3", "said: ", "CPU 2 said nothing")

    def test_finds_a_cpu_that_is_missing_from_the_report(self):
        self.without("crash: cpu 3", "missing from the report: CPU 3")

    def test_finds_a_cpu_that_is_listed_twice(self):
        self.damaged("crash: cpu 3 stopped", "crash: cpu 0 stopped", "CPU 0 is listed twice")

    def test_finds_a_cpu_that_there_is_not(self):
        self.expect(judged(GOOD.replace("cpu 3", "cpu 7")), "in the report, but not in the machine: CPU 7")

    def test_finds_missing_registers(self):
        self.damaged("by irq registers valid rip 0xffffffff80203456 rsp 0xffffffff80401000", "by irq registers missing",
                     "CPU 0 answered, and its registers are missing")

    def test_finds_registers_that_are_valid_and_not_shown(self):
        self.damaged(" rip 0xffffffff80203456 rsp 0xffffffff80401000", "", "CPU 0: registers valid, but rip None")

    def test_finds_a_rip_outside_the_kernel(self):
        self.damaged("rip 0xffffffff80202222", "rip 0x1234", "CPU 2: rip 0x1234 is not in the kernel's code")

    def test_finds_a_rip_in_the_code_where_it_must_have_left_it(self):
        log = GOOD.replace("panic_vs_panic seed 3", "run_data seed 3")
        self.expect(judged(log, scenario="run_data"), "is in the kernel's code")
        lost = " ".join(judged(log.replace("0xffffffff80201234", "0x1"), scenario="run_data"))
        self.assertNotIn("CPU 1: rip", lost)
        self.assertNotIn("CPU 1: frame #0", lost)

    def test_finds_a_stack_in_user_memory(self):
        self.damaged("rsp 0xffffffff80403000", "rsp 0x403000", "CPU 2: rsp 0x403000 is no kernel stack")

    def test_finds_two_cpus_on_one_stack(self):
        self.damaged("rsp 0xffffffff80403000", "rsp 0xffffffff80401000", "CPUs 0 and 2 have the same rsp")

    def test_finds_a_backtrace_that_begins_elsewhere(self):
        self.damaged("#0 0xffffffff80202222", "#0 0xffffffff80202223", "CPU 2: its backtrace does not begin at rip")
        self.without("crash: cpu 2   #0", "CPU 2: its backtrace does not begin at rip")

    def test_finds_a_frame_outside_the_kernel(self):
        self.damaged("#0 0xffffffff80202222 #1 0xffffffff80201300", "#0 0xffffffff80202222 #1 0x0",
                     "CPU 2: frame #1 0x0 is not in the kernel's code")

    def test_finds_a_silent_cpu_that_had_to_answer(self):
        silent = GOOD.replace("crash: cpu 3 stopped by nmi registers valid rip 0xffffffff80203456 "
                              "rsp 0xffffffff80404000\ncrash: cpu 3   #0 0xffffffff80203456\n",
                              "crash: cpu 3 stopped silent registers missing\n").replace("0 silent", "1 silent")
        self.assertNotEqual(silent, GOOD)
        self.expect(judged(silent), "silent, but must have answered: CPU 3")
        wedged = silent.replace("panic_vs_panic seed 3", "wedged_in_nmi seed 2")
        self.assertEqual(judged(wedged, verdict.DONE_STATUS, "wedged_in_nmi", seed=2), [])

    def test_finds_a_wedged_cpu_that_is_not_named_silent(self):
        wedged = GOOD.replace("panic_vs_panic seed 3", "wedged_in_nmi seed 2")
        self.expect(judged(wedged, scenario="wedged_in_nmi", seed=2),
                    "not named silent, though it can't have answered: CPU 3")

    def test_finds_registers_of_a_silent_cpu(self):
        self.damaged("stopped by nmi", "stopped silent", "CPU 3 is silent and has registers all the same")

    def test_finds_two_crashing_cpus(self):
        self.damaged("cpu 2 stopped parked", "cpu 2 crashing running", "2 CPUs crashed, not one")

    def test_finds_that_no_cpu_crashed(self):
        self.damaged("cpu 1 crashing running", "cpu 1 stopped by irq", "0 CPUs crashed, not one")

    def test_finds_another_owner_than_the_one_that_reported(self):
        self.damaged("panic: cpu 1", "panic: cpu 2", "CPU 2 reported its panic, but the crash is that of CPU 1")

    def test_finds_two_panics_that_are_reported(self):
        line = "panic: cpu 1: panic in role 2\n"
        self.damaged(line, line + "panic: cpu 2: panic in role 3\n", "2 panics are reported as the machine's")

    def test_finds_garbage_at_the_end(self):
        self.expect(judged(GOOD + "\0"), "the log ends within a line")
        self.expect(judged(GOOD + "x\n"), "behind the last line")

    def test_finds_a_log_that_is_cut_off(self):
        self.expect(judged(GOOD[:-5]), "the log ends within a line")
        self.without("crash: done", "did not come to its last line")

    def test_finds_a_line_that_nobody_writes(self):
        for strange in ("hello\n", "\n", "crash: cpu 1 stopped\n", "crash: \x07\n", "kernel: 3 cpus online\n"):
            self.damaged("crash: cpu 1 said", strange + "crash: cpu 1 said", "is not a line that the kernels write")

    def test_finds_empty_lines_in_the_wrong_place(self):
        self.damaged("panic: cpu 1", "\npanic: cpu 1", "line 4 is not a line")
        self.damaged("crash: cpu 0 stopped", "\ncrash: cpu 0 stopped", "is not a line")
        self.expect(judged(GOOD + "\n"), "behind the last line")

    def test_takes_a_torn_line_only_from_a_cpu_that_was_stopped_by_nmi(self):
        torn = GOOD.replace("\ncrash: started", "oops: cpu 3 page fa\n\ncrash: started")
        self.assertEqual(judged(torn), [])
        self.expect(judged(torn.replace("by nmi", "by irq")), "1 lines are torn")

    def test_finds_two_lines_in_one(self):
        self.damaged("panic: cpu 1: panic in role 2\n", "panic: cpu 1: panic in role 2kernel: restarting\n",
                     "is two lines in one")

    def test_finds_a_dead_kernel_that_speaks(self):
        self.damaged("crash: cpu 0 stopped", "oops: cpu 0 page fault at 0x12 address 0x0\ncrash: cpu 0 stopped",
                     "the dead kernel speaks while the crash kernel runs")

    def test_finds_a_hang(self):
        self.expect(judged(GOOD, None), "it hangs")

    def test_finds_a_wrong_end(self):
        self.expect(judged(GOOD, 0), "it ends with: restart; it must be: crash kernel")
        self.expect(judged(GOOD, 3), "it ends with: status 3")

    def test_finds_an_end_without_a_crash_kernel(self):
        self.expect(judged(RESTARTED, verdict.DONE_STATUS, "damaged_image", 2, 1), "0 crash kernels were started")

    def test_finds_a_false_reason(self):
        log = RESTARTED.replace("image_corrupt", "no_image")
        self.expect(judged(log, 0, "damaged_image", 2, 1), "why no crash kernel was started")
        log = RESTARTED.replace("kernel: crash kernel not started: image_corrupt\n", "")
        self.expect(judged(log, 0, "damaged_image", 2, 1), "why no crash kernel was started")

    def test_finds_defects_in_the_report_of_a_restart(self):
        for old, new, sentence in (
                ("kernel: cpu 1 stopped by irq registers valid\n", "", "missing from the report: CPU 1"),
                ("cpu 1 stopped by irq", "cpu 0 stopped by irq", "CPU 0 is listed twice"),
                ("by irq registers valid", "by irq registers missing", "CPU 1 answered, and its registers are missing"),
                ("by irq registers valid", "silent registers missing", "silent, but must have answered: CPU 1"),
                ("cpu 1 stopped by irq", "cpu 1 stopped parked", "CPU 1 is parked, and its message is lost"),
                ("cpu 1 stopped by irq", "cpu 1 stopped running", "2 CPUs crashed, not one"),
                ("kernel: cpu 0 said: told to\n", "", "the message of the crashing CPU 0 is lost")):
            self.assertIn(old, RESTARTED)
            self.expect(judged(RESTARTED.replace(old, new), 0, "damaged_image", 2, 1), sentence)

    def test_finds_a_kernel_that_speaks_after_its_end(self):
        self.expect(judged(RESTARTED + "kernel: restarting\n", 0, "damaged_image", 2, 1), "behind the last line")
        ending = (verdict.NOTHING_STATUS, "nothing", 2, 1)
        self.assertEqual(judged(NOTHING, *ending), [])
        self.expect(judged(NOTHING + "kernel: restarting\n", *ending), "behind the last line")
        self.expect(judged(NOTHING.replace("kernel: nothing to do, bye\n", ""), *ending), "does not say so")

    def test_finds_a_restart_that_nobody_announced(self):
        self.expect(judged(RESTARTED.replace("kernel: restarting\n", ""), 0, "damaged_image", 2, 1),
                    "it does not say that it restarts")

    def test_finds_a_restart_without_a_panic(self):
        self.expect(judged(RESTARTED.replace("panic: cpu 0: told to\n", ""), 0, "damaged_image", 2, 1),
                    "no panic was reported")

    def test_finds_a_cpu_that_did_not_come_online(self):
        self.expect(judged(GOOD.replace("4 cpus online", "3 cpus online")), "3 CPUs are online, not 4")

    def test_finds_another_scenario(self):
        self.damaged("scenario panic_vs_panic seed 3", "scenario panic seed 3", "the kernel runs scenario panic")
        self.damaged("seed 3", "seed 4", "with seed 4")

    def test_finds_a_refused_image(self):
        self.damaged("image loaded, 65536 bytes", "image refused: truncated", "image elf: truncated")

    def test_finds_a_bug_that_the_kernel_confesses(self):
        self.damaged("panic in role 2", "BUG: a second arbiter", "BUG: a second arbiter")

    def test_finds_wrong_counts_in_the_last_line(self):
        self.damaged("done, 4 cpus", "done, 3 cpus", "the last line counts 3 CPUs and 0 silent")
        self.damaged("0 silent", "1 silent", "the last line counts 4 CPUs and 1 silent")

    def test_finds_a_stop_from_who_has_not_committed(self):
        self.damaged("1310 1 stop_sent 0", "1310 3 stop_sent 0",
                     "promise 3: a CPU that has not committed sends a stop (CPU 3: stop_sent 0, event 9)")

    def test_finds_a_stop_to_a_parked_cpu(self):
        self.damaged("1310 1 stop_sent 0", "1310 1 stop_sent 2",
                     "promise 3: a stop was sent to a CPU that had parked before the rung began")

    def test_finds_two_commits(self):
        self.damaged("1220 2 parked 0", "1220 2 committed 0", "promise 1: a second commit")

    def test_finds_a_step_that_is_run_twice(self):
        self.damaged("step_begun 7", "step_begun 6", "promise 7: a step begins twice, or in the wrong order")

    def test_finds_steps_on_two_cpus(self):
        self.damaged("1200 1 step_begun", "1200 3 step_begun",
                     "promise 1: a CPU that does not hold the gate begins a step")

    def test_finds_a_parked_cpu_that_goes_on(self):
        self.damaged("1610 3 acknowledged 4", "1610 0 claim_won 2", "promise 3: a CPU that has parked for good goes on")

    def test_finds_stops_without_a_commit(self):
        self.without("trace: 1210 1 committed", "promise 3: a CPU that has not committed sends a stop")

    def test_finds_an_end_without_a_commit(self):
        kept = [line for line in GOOD.splitlines(True) if "committed" not in line and "stop_sent" not in line]
        self.expect(judged("".join(kept)), "promise 1: the machine is ended, and nobody has committed")

    def test_finds_a_panic_that_is_pending_on_a_gate_held_for_good(self):
        self.damaged("1210 1 committed 0", "1210 1 pending_set 0", "promise 4: an NMI's panic is pending")

    def test_judges_events_in_the_order_of_time(self):
        first = "trace: 1000 1 claim_won 2\n"
        self.assertEqual(judged(GOOD.replace(first, "").replace("crash: done", f"{first}crash: done")), [])

    def test_passes_over_an_event_that_was_never_written(self):
        self.assertEqual(judged(GOOD.replace("trace: 1010", "trace: 0 3 claim_won 0\ntrace: 1010")), [])

    def test_finds_an_event_of_a_cpu_that_there_is_not(self):
        self.damaged("1310 1 stop_sent 0", "1310 1 stop_sent 4", "promise 13: an event of a CPU that there is not")
        self.damaged("1400 0 parked", "1400 4 parked", "promise 13: an event of a CPU that there is not")

    def test_finds_that_nobody_judges_the_timeline(self):
        found = events.broken_promises(read_log(GOOD).events, 0, KERNEL.promises)
        self.expect(found, "nobody judges the timeline: usage: lastcpu_trace_promises CPUS")

    def test_finds_a_report_that_the_timeline_contradicts(self):
        self.damaged("acknowledged 4", "acknowledged 3", "CPU 3 is reported as by nmi; by its timeline it answered")
        self.damaged("1210 1 committed", "1210 2 committed", "CPU 2 committed, and CPU 1 is reported")

    def test_finds_an_event_of_no_known_kind(self):
        self.damaged("claim_won", "claimed", "an event of no known kind")

    def test_finds_a_missing_timeline(self):
        self.without("trace:", "the crash kernel has no timeline")

    def test_finds_a_timeline_that_does_not_begin_at_its_beginning(self):
        first = "trace: 1000 1 claim_won 2\n"
        self.damaged(first, "crash: cpu 1 had no room for its first 9 events\n" + first,
                     "the timeline lacks the first 9 events of CPU 1")


class every_scenario(unittest.TestCase):
    def test_has_its_sentence_and_an_end(self):
        self.assertEqual(len(scenarios.BY_NAME), len(scenarios.SCENARIOS))
        for s in scenarios.SCENARIOS:
            self.assertTrue(s.ends and s.sentence, s.name)


class the_example_as_it_is(unittest.TestCase):
    LOG = GOOD.replace("kernel: scenario panic_vs_panic seed 3", "kernel: hello").replace("panic in role 2", "as asked")

    def judged(self, log, asked_to):
        return verdict.judge(Boot("", 4, words=(f"panic={asked_to}",)), example.PANICS,
                             Ended(log, verdict.DONE_STATUS, 1.0, "qemu", ""), KERNEL)

    def test_passes_if_it_says_hello_and_the_one_that_was_asked_to_panics(self):
        self.assertEqual(self.judged(self.LOG, "1"), [])
        self.assertEqual(self.judged(self.LOG, "all"), [])

    def test_must_say_hello_and_play_no_scenario(self):
        self.assertIn("does not say hello", *self.judged(self.LOG.replace("kernel: hello\n", ""), "1"))
        self.assertEqual(len(self.judged(GOOD.replace("panic in role 2", "as asked"), "1")), 2)

    def test_must_panic_on_the_cpu_that_was_asked_to_and_as_asked(self):
        self.assertIn("CPU 1 crashed", *self.judged(self.LOG, "2"))
        self.assertIn("CPU 1 crashed", *self.judged(self.LOG.replace("as asked", "by itself"), "all"))


class a_timeline(unittest.TestCase):
    def test_becomes_what_timeline_py_reads(self):
        found = read_log(GOOD).events
        lines = events.as_input_of_timeline(found, 10**9).splitlines()
        self.assertEqual(len(lines), len(found))
        self.assertEqual(lines[0], "0.0\t1\tclaim_won\t2\twon: panicking")
        self.assertEqual(lines[9], "0.3\t1\tstop_sent\t3\tstops 3")

    def test_is_shown_with_a_column_for_each_cpu(self):
        text = events.as_text(read_log(GOOD).events, 10**9, 4)
        self.assertIn("0.3" + " " * 17 + " stops 0 3", text)
        self.assertEqual(len(text.splitlines()[0].split("CPU")), 5)

    def test_of_the_same_kernels_is_compared_to_the_tick(self):
        kept, later = (deterministic.timeline_of(GOOD.replace(" 1700 ", f" {t} "), "this") for t in (1700, 1701))
        self.assertEqual(deterministic.compare(kept, kept), [])
        self.assertIn("ticks differ", *deterministic.compare(kept, later))

    def test_of_other_kernels_is_compared_in_order_and_roughly_in_time(self):
        kept = deterministic.timeline_of(GOOD, "this")
        near, far, less = (deterministic.timeline_of(GOOD.replace("trace: 1700", text), "other")
                           for text in ("trace: 2700", "trace: 2800", "crash: x"))
        self.assertEqual(deterministic.compare(kept, near), [])
        self.assertIn("came 1190 ticks after the event before it, not 90", *deterministic.compare(kept, far))
        self.assertIn("other things happened", *deterministic.compare(kept, less))
        self.assertIn("other things happened", *deterministic.compare("", kept))


class a_boot(unittest.TestCase):
    def test_without_qemu_fails(self):
        with unittest.mock.patch.object(qemu, "QEMU", "qemu-that-is-not-there"), self.assertRaises(SystemExit) as end:
            qemu.require_qemu()
        self.assertIn("apt-get install", str(end.exception.code))

    def test_that_hangs_is_killed(self):
        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch.object(qemu, "command_of", lambda *_: ["sleep", "60"]), \
                unittest.mock.patch.object(Boot, "deadline", lambda _: 0.1):
            ended = qemu.run(Boot("panic"), None, Path(folder) / "some.log")
        self.assertIsNone(ended.status)
        self.assertLess(ended.seconds, 30)

    def test_shows_the_tail_of_the_log_and_what_to_do_next(self):
        ended = Ended("line\n" * 40 + "the \x01 end\n", None, 30.0, "qemu -x", "qemu: complaint")
        text = qemu.explain(Boot("panic"), ended, ["it hangs"], "some.log", "try again")
        for part in ("it hangs", "16 lines before", "the \\x01 end", "some.log", "next: try again", "qemu -x",
                     "qemu: complaint"):
            self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
