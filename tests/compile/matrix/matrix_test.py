# SPDX-License-Identifier: BSL-1.0
"""What the tests share that bring their own compilers: a matrix that lost cells or failures would say "0 failed"."""
import contextlib
import io
import itertools
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.dont_write_bytecode = True

import compilers  # noqa: E402
import matrix  # noqa: E402
from cover import cover  # noqa: E402
from matrix import Cell, Step  # noqa: E402

ROWS = [row for row in itertools.product("abc", "012", "xy", "pqrs") if row[:2] != ("a", "0")]


def groups(rows, strength):
    return {group for row in rows for group in itertools.combinations(enumerate(row), strength)}


def ran(cells, missing=()):
    """(status, what it said, the files that are left)"""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        status = matrix.run(cells, Path(folder), list(missing))
        return status, said.getvalue(), sorted(path.name for path in Path(folder).iterdir())


def cell(name, *commands, check=matrix.succeeds):
    return Cell(name, tuple(Step(("sh", "-c", command), check) for command in commands))


class a_cover(unittest.TestCase):
    def test_has_every_two_and_every_three_that_can_be_together(self):
        for strength in (2, 3):
            kept = cover(ROWS, strength)
            self.assertLessEqual(set(kept), set(ROWS))
            self.assertEqual(groups(kept, strength), groups(ROWS, strength))

    def test_is_small(self):
        self.assertLessEqual(len(cover(ROWS)), 14)  # 12 at least: three by four values
        self.assertEqual(len(cover(ROWS, 4)), len(ROWS))
        self.assertEqual(cover([]), [])

    def test_has_what_stands_together_in_chosen_columns(self):
        chosen = (0, 2, 3)
        kept = cover(ROWS, columns=(chosen,))
        self.assertEqual({tuple(row[i] for i in chosen) for row in kept}, {tuple(row[i] for i in chosen) for row in ROWS})
        self.assertLess(len(kept), len(cover(ROWS, 3)))


class a_run(unittest.TestCase):
    def test_passes_when_every_step_does_what_its_check_wants(self):
        cells = [cell("a", "true", "true"), cell("b", "echo x >&2; exit 3", check=matrix.prints("x\n", 3))]
        status, said, _ = ran(cells)
        self.assertEqual((status, said.splitlines()[-1]), (0, "2 passed, 0 failed"))

    def test_tells_of_each_failure_and_how_to_repeat_it(self):
        status, said, _ = ran([cell("good", "true"), cell("bad", "true", "echo an error; exit 1", "true")])
        self.assertEqual((status, said.splitlines()[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("FAILED bad: sh: status 1: an error; next: cd ", said)

    def test_fails_when_nothing_ran_or_something_is_missing(self):
        self.assertEqual(ran([])[0], 1)
        self.assertEqual(ran([cell("a", "true")], ["g++ is not installed"])[0], 1)

    def test_gives_up_after_many_failures_and_counts_the_rest(self):
        with unittest.mock.patch.object(matrix, "ENOUGH_FAILURES", 2), unittest.mock.patch.object(matrix, "WORKERS", 1):
            status, said, _ = ran([cell(str(i), "false") for i in range(5)])
        self.assertEqual((status, said.splitlines()[-1]), (1, "0 passed, 5 failed"))

    def test_runs_a_shared_step_once_and_lets_each_cell_check_it(self):
        shared = ("sh", "-c", "echo x | tee -a made")
        once = Step(("sh", "-c", "test $(wc -l <made) = 1"))
        cells = [Cell("a", (Step(shared, matrix.prints("x\n", 0), shared=True), once)),
                 Cell("b", (Step(shared, matrix.fails_saying("x"), shared=True),))]
        status, said, _ = ran(cells)
        self.assertEqual((status, said.splitlines()[-1]), (1, "1 passed, 1 failed"))

    def test_removes_the_program_of_a_cell_that_has_passed(self):
        cells = [Cell(name, (Step(("sh", "-c", f"touch {name}; exit {status}")),), name)
                 for name, status in (("a", 0), ("b", 1))]
        self.assertEqual(ran(cells)[2], ["b"])

    def test_ends_a_command_that_hangs(self):
        self.assertEqual(ran([Cell("a", (Step(("sleep", "60"), seconds=0.1),))])[0], 1)


class a_check(unittest.TestCase):
    def test_of_a_failure_wants_the_expected_reason(self):
        check = matrix.fails_saying("no such hook")
        self.assertIsNone(check(matrix.Result(1, "x\nerror: no such hook\n")))
        for status, text in ((0, "no such hook"), (1, "another"), (124, "no such hook")):
            self.assertIsNotNone(check(matrix.Result(status, text)))

    def test_of_silence_wants_no_warning(self):
        self.assertIsNone(matrix.silently(matrix.Result(0, "\n")))
        self.assertIsNotNone(matrix.silently(matrix.Result(0, "warning: x")))


class the_compilers(unittest.TestCase):
    def test_are_complained_of_when_they_are_missing_and_used_once_under_two_names(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("g++", "clang++"):
                (Path(folder) / name).symlink_to("/bin/true")
            with unittest.mock.patch.dict("os.environ", PATH=folder):
                found, missing = compilers.find(("g++", "clang++", "clang++-99"), ("g++-98",))
        self.assertEqual(found, ["g++"])
        self.assertEqual(missing, ["clang++-99 is not installed; next: apt-get install clang-99"])


if __name__ == "__main__":
    unittest.main()
