#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The judge of cores finds nothing in a good one, and each defect in a bad one. The cores are made up here, of a program
with three functions; judge_test.py [FOLDER] keeps them."""
import struct
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True

import judge  # noqa: E402
from judge import Cpu, Expected  # noqa: E402
from made_up import Made, handover_bytes  # noqa: E402

FOLDER = None
GOOD = Expected({0: Cpu(("inner", "outer")), 1: Cpu(("outer",))}, crashed=1)


class TheJudge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Made.of_folder(FOLDER)

    def problems(self, expected=GOOD, **changes):
        return judge.judge(self.made.core(**changes), self.made.kernel, expected)

    def assert_finds(self, pattern, problems):
        self.assertTrue(any(pattern in p for p in problems), f"{pattern!r} is not in {problems}")

    def test_finds_nothing_in_a_good_core(self):
        self.assertEqual([], self.problems())

    def test_finds_nothing_in_a_good_core_on_a_raw_disk(self):
        self.assertEqual([], self.problems(behind=b"\xa5" * 100_000))

    def test_finds_nothing_in_a_good_core_without_a_handover(self):
        self.assertEqual([], self.problems(replace(GOOD, has_handover=False), handover=None))

    def test_finds_a_missing_cpu(self):
        found = self.problems(threads=(1,))
        self.assert_finds("gdb has no thread for CPU 0", found)
        self.assert_finds("eu-readelf finds registers of 1 CPUs", found)

    def test_finds_a_cpu_too_many(self):
        self.assert_finds("there is no CPU 2", self.problems(threads=(1, 0, 2)))

    def test_finds_a_thread_number_that_is_there_twice(self):
        self.assert_finds("gdb has no thread for CPU 0", self.problems(threads=(1, 1)))

    def test_finds_another_cpu_first_than_the_one_that_crashed(self):
        self.assert_finds("gdb begins with thread 1, and CPU 1 crashed", self.problems(threads=(0, 1)))

    def test_finds_another_cpu_in_the_handover_than_the_one_that_crashed(self):
        self.assert_finds("by the handover the CPUs that crashed are [0]", self.problems(handover=handover_bytes(crashed=0)))

    def test_finds_a_backtrace_that_ends_early(self):
        found = self.problems(stack=(self.made.symbols["outer"] + 5, 0))
        self.assert_finds("CPU 1: its backtrace ends with", found)
        self.assert_finds("drgn does not get from CPU 1 down to", found)

    def test_finds_a_function_that_is_missing(self):
        self.assert_finds("CPU 1: missing_one is not in its backtrace",
                          self.problems(replace(GOOD, cpus={0: Cpu(), 1: Cpu(("missing_one",))})))

    def test_finds_functions_in_the_wrong_order(self):
        self.assert_finds("not in this place", self.problems(replace(GOOD, cpus={0: Cpu(("outer", "inner")), 1: Cpu()})))

    def test_finds_a_frame_without_a_name(self):
        self.assert_finds("has no name", self.problems(rip=0x10))

    def test_finds_a_stack_that_is_not_in_the_core(self):
        self.assert_finds("CPU 1: gdb says: Backtrace stopped: Cannot access memory", self.problems(without_stack=True))

    def test_finds_a_truncated_file(self):
        self.assert_finds("is truncated", self.problems(cut=4000))
        self.assert_finds("is truncated", self.problems(cut_to=300))
        self.assert_finds("is no core", self.problems(cut_to=20))

    def test_finds_memory_that_is_not_the_kernels(self):
        self.assert_finds("reads the variable machine as zeros", self.problems(variable=bytes(8)))

    def test_finds_a_warning(self):
        self.assert_finds("gdb says: ", self.problems(prstatus_bytes=280))

    def test_finds_a_warning_of_readelf(self):
        sections_at = struct.pack("<Q", 64)  # and there are none
        self.assert_finds("readelf says: readelf: Warning:", self.problems(patch=(40, sections_at)))

    def test_finds_a_handover_that_is_missing_or_damaged(self):
        self.assert_finds("it has no note LASTCPU", self.problems(handover=None))
        damaged = bytearray(handover_bytes())
        damaged[60] ^= 1
        self.assert_finds("seal is wrong", self.problems(handover=bytes(damaged)))
        self.assert_finds("not sealed", self.problems(handover=handover_bytes(sealed=False)))
        self.assert_finds("incomplete: valid up to byte 4096", self.problems(handover=handover_bytes(core=(4096, 1, 7))))

    def test_finds_a_core_that_drgn_takes_for_linux(self):
        self.assert_finds("drgn says: ", self.problems(extra=[("QEMU", 0, bytes(440))]))

    def test_finds_a_program_that_is_not_installed(self):
        self.assertEqual(("", ["lastcpu-none is not installed"]), judge.run("lastcpu-none"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = Path(sys.argv.pop()) if len(sys.argv) > 1 else Path(folder)
        FOLDER.mkdir(parents=True, exist_ok=True)
        unittest.main(argv=sys.argv[:1])
