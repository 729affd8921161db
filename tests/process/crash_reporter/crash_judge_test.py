#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""crash_judge.py: what it accepts, and each thing that it must not."""

import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import crash_judge  # noqa: E402

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
    """An ELF core of x86-64 with these (thread, pc, sp), a page of code and a page of stack."""
    notes = b""
    for tid, pc, sp in threads:
        words = [0] * 27
        words[16], words[19] = pc, sp
        status = struct.pack("<32xi76x27Q8x", tid, *words)
        notes += struct.pack("<III8s", 5, len(status), crash_judge.NT_PRSTATUS, b"CORE") + status
    at = 64 + 3 * 56
    loads = [(crash_judge.PT_NOTE, 0, at, 0, 0, len(notes), 0, 4), (crash_judge.PT_LOAD, 5, at, CODE, 0, 0, 4096, 4096),
             (crash_judge.PT_LOAD, 6, at + len(notes), STACK, 0, 4096, 4096, 4096)]
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    return head + b"".join(struct.pack("<IIQQQQQQ", *load) for load in loads) + notes + bytes(4096)


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

    def test_a_foreign_line_in_it_is_wrong_and_so_is_one_that_is_cut_by_another(self):
        for line in ("GET /x 200\n", "\n", "  #2  0x55d4GET /x 200\n", "2 threads are idle\n"):
            said = REPORT.replace("  ...\n", "  ...\n" + line)
            self.assertRegex(self.wrong(said), "^a foreign line: ")

    def test_a_silent_thread_and_a_missing_core_are_wrong(self):
        place = "0x7f00a02f1df2 libc.so.6+0xd3df2"
        self.assertEqual(self.wrong(REPORT.replace(place, "SILENT")), "a thread was not stopped")
        self.assertEqual(self.wrong(REPORT.replace("core: /tmp/core, 9216 KiB\n", "")), "there is no core")


class Cores(unittest.TestCase):
    def wrong(self, *threads, wanted=(70, 71)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "core"
            if threads:
                path.write_bytes(core_of(*threads))
            return crash_judge.what_is_wrong_with_core(path, REPORT, wanted)

    def test_every_thread_with_its_registers_is_right(self):
        self.assertEqual(self.wrong((71, CODE, STACK), (70, CODE + 8, STACK + 4095)), "")

    def test_one_that_is_not_there_is_wrong(self):
        self.assertEqual(self.wrong(), "the core is not where the report says")

    def test_a_thread_that_is_missing_foreign_or_twice_is_wrong(self):
        self.assertEqual(self.wrong((71, CODE, STACK)), "1 of 2 threads are in the core")
        self.assertRegex(self.wrong((71, CODE, STACK), (72, CODE, STACK)), "^other threads than the program's")
        self.assertEqual(self.wrong((71, CODE, STACK), (71, CODE, STACK)), "thread 71 is in it twice")

    def test_a_thread_without_registers_is_wrong(self):
        for pc in (0, CODE + 4096):
            self.assertRegex(self.wrong((71, CODE, STACK), (70, pc, STACK)), "^thread 70 has no code at its pc")
        self.assertRegex(self.wrong((71, CODE, STACK), (70, CODE, STACK + 4096)), "^thread 70 has no stack at its sp")


if __name__ == "__main__":
    unittest.main()
