#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""crash_judge.py: what it accepts, and each thing that it must not."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import crash_judge  # noqa: E402
import vmcore  # noqa: E402

REPORT = """*** server[70] has crashed ***
note: server 2.7
note request: GET /x
thread 71 "worker 3": SIGSEGV (invalid memory access) at 0x10: nothing is mapped there (SEGV_MAPERR)
  #0  0x55d4a7c915cb server+0x85cb _ZN6server5parseEv
  #1  0x7f00 (no file)
  ...
2 threads, 1 crashed, 1 stopped by signal
  70        server              0x7f00a02f1df2 libc.so.6+0xd3df2
core: /tmp/core, 9216 KiB
  gdb server /tmp/core
*** end of report ***
"""
CODE, STACK = 0x400000, 0x7fff0000


def core_of(*threads):
    """An ELF core of x86-64 with these (thread, pc, sp), a page of code and a page of stack above its guard."""
    notes = b""
    for tid, pc, sp in threads:
        words = [0] * 27
        words[16], words[19] = pc, sp
        notes += vmcore.Note("CORE", vmcore.NT_PRSTATUS, 0, vmcore.prstatus_of(tid, words)).row()
    at = vmcore.HEADER.size + 4 * vmcore.PROGRAM_HEADER.size
    stack = at + len(notes)
    return (vmcore.header_of(62, 4) + vmcore.PROGRAM_HEADER.pack(vmcore.PT_NOTE, 0, at, 0, 0, len(notes), 0, 4) +
            vmcore.Segment(CODE, 0, at, 0, 4096, 5).row() + vmcore.Segment(STACK - 4096, 0, at, 0, 4096, 0).row() +
            vmcore.Segment(STACK, 0, stack, 4096, 4096, 6).row() +
            notes + bytes(4096))


class Reports(unittest.TestCase):
    def wrong(self, said):
        return crash_judge.what_is_wrong_with_report(said)

    def test_a_whole_one_is_right_whatever_the_program_says_around_it(self):
        self.assertEqual(self.wrong("serving\n" + REPORT + "the end\n"), "")
        self.assertEqual(crash_judge.report_of("serving\n" + REPORT + "the end\n"), REPORT)

    def test_none_two_and_half_of_one_are_wrong(self):
        half = REPORT[:REPORT.index("*** end")]
        for said in ("", REPORT + REPORT, half, REPORT.replace("has crashed", "goes on")):
            self.assertEqual(self.wrong(said), "not exactly one whole report")

    def test_one_by_the_crashing_thread_itself_is_right(self):
        line = "reported by the crashing thread itself, without ptrace: no process could be started: not permitted (EPERM)\n"
        self.assertEqual(self.wrong(REPORT.replace("  70 ", line + "  70 ", 1)), "")

    def test_one_without_a_core_is_right_where_none_was_asked_for(self):
        said = "".join(line + "\n" for line in REPORT.splitlines() if not re.match("core|  gdb", line))
        self.assertEqual(crash_judge.what_is_wrong_with_report(said, with_core=False), "")

    def test_a_foreign_line_in_it_is_wrong_and_so_is_one_that_is_cut_by_another(self):
        for line in ("GET /x 200\n", "\n", "  #2  0x55d4GET /x 200\n", "2 threads are idle\n"):
            said = REPORT.replace("  ...\n", "  ...\n" + line)
            self.assertRegex(self.wrong(said), "^a foreign line: ")

    def test_a_silent_thread_and_a_missing_core_are_wrong(self):
        place = "0x7f00a02f1df2 libc.so.6+0xd3df2"
        self.assertEqual(self.wrong(REPORT.replace(place, "SILENT")), "a thread was not stopped")
        self.assertEqual(self.wrong(REPORT.replace("core: /tmp/core, 9216 KiB\n", "")), "there is no core")


class Cores(unittest.TestCase):
    def wrong_in(self, data, wanted=(70, 71)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "core"
            if data is not None:
                path.write_bytes(data)
            return crash_judge.what_is_wrong_with_core(path, REPORT, wanted)

    def wrong(self, *threads):
        return self.wrong_in(core_of(*threads) if threads else None)

    def test_every_thread_with_its_registers_is_right(self):
        self.assertEqual(self.wrong((71, CODE, STACK), (70, CODE + 8, STACK + 4095)), "")

    def test_one_that_is_not_there_is_wrong(self):
        self.assertEqual(self.wrong(), "the core is not where the report says")

    def test_one_that_is_empty_no_core_or_not_all_there_is_wrong(self):
        whole = core_of((71, CODE, STACK), (70, CODE, STACK))
        self.assertEqual(self.wrong_in(whole), "")
        self.assertRegex(self.wrong_in(b""), "is no core: it has 0 bytes")
        self.assertRegex(self.wrong_in(b"#!" + whole), "is no core: it does not begin with an ELF header")
        self.assertRegex(self.wrong_in(whole[:-1]), "is truncated: the segment ")
        short = vmcore.Note("CORE", vmcore.NT_PRSTATUS, 0, bytes(200)).row()
        at = vmcore.HEADER.size + vmcore.PROGRAM_HEADER.size
        notes = vmcore.PROGRAM_HEADER.pack(vmcore.PT_NOTE, 0, at, 0, 0, len(short), 0, 4) + short
        self.assertEqual(self.wrong_in(vmcore.header_of(62, 1) + notes), "a thread's registers in the core are cut")

    def test_a_thread_that_is_missing_foreign_or_twice_is_wrong(self):
        self.assertEqual(self.wrong((71, CODE, STACK)), "1 of 2 threads are in the core")
        self.assertRegex(self.wrong((71, CODE, STACK), (72, CODE, STACK)), "^other threads than the program's")
        self.assertEqual(self.wrong((71, CODE, STACK), (71, CODE, STACK)), "thread 71 is in it twice")

    def test_a_thread_without_registers_is_wrong(self):
        for pc in (0, CODE + 4096):
            self.assertRegex(self.wrong((71, CODE, STACK), (70, pc, STACK)), "^thread 70 has no code at its pc")
        for sp in (STACK + 4096, STACK - 4097, CODE):
            self.assertRegex(self.wrong((71, CODE, STACK), (70, CODE, sp)), "^thread 70 has no stack at its sp")

    def test_a_thread_whose_stack_has_overflowed_into_its_guard_is_right(self):
        self.assertEqual(self.wrong((71, CODE, STACK - 8), (70, CODE, STACK)), "")


if __name__ == "__main__":
    unittest.main()
