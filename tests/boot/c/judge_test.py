#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The judge of the kernels on the C interface finds each defect: a good log is damaged in one way."""
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "example"))

from boot import Boot, Ended  # noqa: E402
from judge import judge  # noqa: E402

BOOT = Boot("", 4, image="none", words=("init=2", "nmis=400", "panic=1,2"))
GOOD = """\
kernel: 4 CPUs
kernel: 400 NMIs, 60 of them with the program's GS in the kernel
kernel: CPU 2 dies: init on CPU 2 died of invalid opcode at 0x8000000006
kernel: at 0x8000000006, stack 0x0
lastcpu: CPU 2 panicked, CPUs known: 4: init on CPU 2 died of invalid opcode at 0x8000000006
lastcpu: CPU 0 stopped by irq
lastcpu: CPU 1 lost the race: as asked, on CPU 1
lastcpu: CPU 3 stopped by nmi
"""
DAMAGES = {
    "by a restart": ("", "", 3),
    "hangs": ("", "", None),
    "does not see 4 CPUs": ("kernel: 4 CPUs", "kernel: 3 CPUs", 0),
    "NMIs did not arrive": ("60 of them", "0 of them", 0),
    "not a line of this kernel": ("kernel: at 0x", "kernel: at 8x", 0),
    "not a line of the report": ("lastcpu: CPU 3 stopped", "lastcpu: CPU 3 is silent", 0),
    "the report names the CPUs": ("lastcpu: CPU 3 stopped by nmi\n", "", 0),
    "3 CPUs are known": ("known: 4", "known: 3", 0),
    "message of CPU 1": (": as asked, on CPU 1", "", 0),
    "CPU 0 did not panic": ("stopped by irq", "lost the race", 0),
    "line 2 of the report": ("CPU 0 stopped by irq", "CPU 0 panicked, CPUs known: 4", 0),
    "said that it dies": ("kernel: CPU 2 dies", "kernel: CPU 1 dies", 0),
}


class Judge(unittest.TestCase):
    def test_good_log_passes(self):
        self.assertEqual(judge(BOOT, Ended(GOOD, 0, 0.1, "", "")), [])

    def test_each_defect_is_found(self):
        for sentence, (old, new, status) in DAMAGES.items():
            self.assertIn(old, GOOD)
            problems = judge(BOOT, Ended(GOOD.replace(old, new), status, 0.1, "", ""))
            self.assertTrue(any(sentence in problem for problem in problems), f"{sentence}: {problems}")

    def test_second_report_is_found(self):
        self.assertNotEqual(judge(BOOT, Ended(GOOD + GOOD[GOOD.find("lastcpu:"):], 0, 0.1, "", "")), [])


if __name__ == "__main__":
    unittest.main()
