#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tools/lib/junit_results.py counts tests, also those of a program that ran as one, and names the failed ones."""
import pathlib
import subprocess
import sys
import tempfile
import unittest
from xml.sax.saxutils import escape

TOOL = pathlib.Path(__file__).resolve().parents[3] / "tools/lib/junit_results.py"


def read(*cases):
    """Its lines for cases of (name, status, output)."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write("<testsuite>")
        for name, status, output in cases:
            file.write(f'<testcase name="{name}" status="{status}"><system-out>{escape(output)}</system-out></testcase>')
        file.write("</testsuite>")
        file.flush()
        return subprocess.run([sys.executable, TOOL, file.name], check=True, capture_output=True, text=True).stdout.splitlines()


def ran(passed, failed=(), of=None):
    """What a GoogleTest program prints with --gtest_brief=1."""
    lines = ["Running main() from ./googletest/src/gtest_main.cc"]
    for name in failed:
        lines += ["x_test.cpp:12: Failure", "not so", f"[  FAILED  ] {name} (0 ms)"]
    total = passed + len(failed) if of is None else of
    lines += [f"[==========] {total} tests from 2 test suites ran. (5 ms total)", f"[  PASSED  ] {passed} tests."]
    return "\n".join(lines)


class JunitResults(unittest.TestCase):
    def test_counts_what_passed_and_what_did_not_run(self):
        self.assertEqual(read(("a", "run", ""), ("b", "run", "0 wrong"), ("c", "notrun", "")),
                         ["2 1", "c\twas skipped or not run"])

    def test_counts_the_tests_of_a_program_that_ran_as_one(self):
        self.assertEqual(read(("core_tests", "run", ran(585)), ("a", "run", "")), ["586 0"])

    def test_names_each_failed_test_of_such_a_program(self):
        lines = read(("core_tests", "fail", ran(583, ["gate.opens", "gate.closes"])))
        self.assertEqual(lines[:2], ["583 2", "core_tests\tfailed"])
        self.assertEqual(lines[-2:], ["    [  FAILED  ] gate.opens (0 ms)", "    [  FAILED  ] gate.closes (0 ms)"])

    def test_counts_such_a_program_as_failed_that_died_or_skipped_one(self):
        self.assertEqual(read(("core_tests", "fail", "Running main()\nSegmentation fault"))[0], "0 1")
        self.assertEqual(read(("core_tests", "fail", ran(585)))[0], "585 1")
        self.assertEqual(read(("core_tests", "run", ran(583, of=585))), ["583 2", "core_tests\thas skipped or disabled tests"])

    def test_counts_the_disabled_ones_of_such_a_program_as_failed(self):
        lines = read(("core_tests", "run", ran(585) + "\n\n  YOU HAVE 2 DISABLED TESTS\n"))
        self.assertEqual(lines[:2], ["585 2", "core_tests\thas skipped or disabled tests"])
        self.assertIn("YOU HAVE 2 DISABLED TESTS", lines[2])

    def test_believes_the_program_and_not_what_its_tests_have_started(self):
        self.assertEqual(read(("core_tests", "run", ran(1, of=2) + "\n" + ran(585))), ["585 0"])


if __name__ == "__main__":
    unittest.main()
