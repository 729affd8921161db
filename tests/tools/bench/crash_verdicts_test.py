# SPDX-License-Identifier: BSL-1.0
"""What bench/crash_reporters says of a crash, from texts that the test makes."""
import contextlib
import io
import sys
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench" / "crash_reporters"))

import compare  # noqa: E402
import picture  # noqa: E402
import verdicts  # noqa: E402
from victims import HANDLERS, Crash  # noqa: E402

REPORT, CORE, IN_PLACE, ABSEIL, GLOG, NONE, KERNEL = HANDLERS
OURS = """*** victim[7] has crashed ***
thread 8 "victim": SIGSEGV at 0x10
  #0  0x1 victim+0x1 fault
2 threads, 1 crashed, 1 stopped by signal
  7       victim            0x2 libc.so.6+0x2
*** end of report ***
"""


def found(said, handler=REPORT, case="plain", status=-11, **more):
    return verdicts.problems(handler, case, Crash(status=status, said=said, **more))


class Verdicts(unittest.TestCase):
    def test_one_whole_report_and_the_signal_are_as_they_should_be(self):
        self.assertEqual(found(OURS), [])

    def test_a_second_report_is_seen_also_where_it_is_cut(self):
        self.assertEqual(found(OURS + OURS.splitlines()[0]), ["several reports"])

    def test_a_report_without_its_end_is_cut(self):
        self.assertEqual(found(OURS.replace("*** end of report ***", "")), ["cut"])

    def test_nothing_at_all_is_said(self):
        self.assertEqual(found("bystander\n"), ["without a report"])

    def test_a_line_of_somebody_else_counts_inside_and_not_beside(self):
        self.assertEqual(found("bystander\n" + OURS + "bystander\n"), [])
        self.assertEqual(found(OURS.replace("2 threads", "bystander\n2 threads")), ["foreign lines"])

    def test_another_signal_and_a_hang_are_told_apart(self):
        self.assertEqual(found(OURS, status=-6), ["another signal"])
        self.assertEqual(found(OURS, status=None), ["hung"])
        self.assertEqual(found(OURS, case="mixed", status=-6), [])

    def test_process_one_is_judged_by_its_parent(self):
        self.assertEqual(found(OURS, case="process_one", status=0), [])
        self.assertEqual(found(OURS, case="process_one", status=1), ["another signal"])

    def test_a_core_that_is_not_there_is_said_of_who_writes_one(self):
        self.assertEqual(found(OURS, handler=CORE), ["no core"])
        self.assertEqual(found("", handler=KERNEL, core_tids=[7, 8]), [])

    def test_a_core_that_is_damaged_or_has_no_thread_is_none(self):
        self.assertEqual(found(OURS, handler=CORE, core_tids=[]), ["no core"])

    def test_an_earlier_handler_that_is_not_called_is_said(self):
        self.assertEqual(found(OURS, case="earlier_handler"), ["it is not called"])
        self.assertEqual(found(OURS + "the earlier handler\n", case="earlier_handler"), [])


class EveryThread(unittest.TestCase):
    def test_each_has_a_line_in_the_report(self):
        self.assertTrue(verdicts.lists_every_thread(REPORT, Crash(said=OURS, tids=[7, 8])))
        self.assertFalse(verdicts.lists_every_thread(REPORT, Crash(said=OURS, tids=[7, 8, 9])))

    def test_one_that_may_still_run_does_not_count(self):
        silent = OURS.replace("0x2 libc.so.6+0x2", "SILENT")
        self.assertFalse(verdicts.lists_every_thread(REPORT, Crash(said=silent, tids=[7, 8])))

    def test_a_core_has_its_own_list(self):
        self.assertTrue(verdicts.lists_every_thread(KERNEL, Crash(tids=[7, 8], core_tids=[8, 7])))
        self.assertFalse(verdicts.lists_every_thread(KERNEL, Crash(tids=[7, 8], core_tids=[8])))
        self.assertFalse(verdicts.lists_every_thread(KERNEL, Crash(tids=[7, 8])))

    def test_a_crash_whose_threads_are_not_known_has_not_listed_them(self):
        self.assertFalse(verdicts.lists_every_thread(REPORT, Crash(said=OURS)))
        self.assertFalse(verdicts.lists_every_thread(KERNEL, Crash(core_tids=[7, 8])))


class Cells(unittest.TestCase):
    def test_a_number_alone_says_that_all_are_right(self):
        self.assertEqual(verdicts.cell([[], [], []]), "3")

    def test_what_is_wrong_is_counted_the_most_frequent_first(self):
        self.assertEqual(verdicts.cell([[], ["cut"], ["cut", "hung"]]), "1: 2 cut, 1 hung")


class Options(unittest.TestCase):
    def refused(self, *arguments):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            compare.parse(["BUILD", *arguments])
        return said.getvalue()

    def test_real_time_that_is_not_permitted_is_said_before_anything_is_crashed(self):
        with unittest.mock.patch.object(compare.os, "sched_setscheduler", side_effect=PermissionError):
            self.assertIn("--realtime is not permitted; run it as root", self.refused("--realtime"))

    def test_real_time_without_times_is_refused(self):
        self.assertIn("--realtime is for times", self.refused("--realtime", "--rounds", "0"))


class Promises(unittest.TestCase):
    def failures(self, handler, case):
        with contextlib.redirect_stdout(io.StringIO()):
            table = compare.Table(HANDLERS)
            table.judge(case, handler, [Crash(said=OURS)])
        return table.failed

    def test_a_hang_fails_where_lastcpu_promises_an_end_and_nowhere_else(self):
        self.assertRegex(self.failures(REPORT, "hangs")[0], "^lastcpu: report, hangs: hung\n")
        self.assertTrue(self.failures(IN_PLACE, "hangs"))
        self.assertEqual(self.failures(IN_PLACE, "earlier_handler"), [])
        for handler in (ABSEIL, GLOG, NONE):
            self.assertEqual(self.failures(handler, "hangs"), [])


class Picture(unittest.TestCase):
    def test_says_its_medians_in_words_and_leaves_out_who_was_not_measured(self):
        handlers = (REPORT, GLOG, NONE)
        times = {(h.title, what): {1: [2e5, 3e5, 4e5], 8: [1e6]} for h in handlers[:2] for what in picture.MEASURED}
        times |= {(NONE.title, picture.FIRST_LINE): {1: [], 8: []}, (NONE.title, picture.END): {1: [1e5], 8: [2e5]}}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "picture.svg"
            picture.draw(times, handlers, path)
            text = path.read_text(encoding="utf-8")
        svg = ElementTree.fromstring(text)
        said = svg.find("{http://www.w3.org/2000/svg}desc").text
        self.assertIn("lastcpu: report, to the process's end: 300 µs with 1, 1.00 ms with 8", said)
        self.assertNotIn("no handler, to the report's first line", said)
        self.assertIn("SPDX-License-Identifier", text)
        self.assertIn("threads that crash together", "".join(svg.itertext()))


if __name__ == "__main__":
    unittest.main()
