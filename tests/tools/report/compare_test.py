# SPDX-License-Identifier: BSL-1.0
"""tools/bench --compare: what is a regression, what is none, and what cannot be compared."""
import contextlib
import io
import json
import unittest
from types import SimpleNamespace

import figures
from support import Case

import compare


class Compare(Case):
    def main(self, *words):
        """In this process: to load scipy takes longer than any of these tests."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = compare.main([str(word) for word in words])
        return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())

    def compare(self, old, new, *options, **context):
        a = figures.write(self.dir / "a.json", *old)
        b = figures.write(self.dir / "b.json", *new, **context)
        result = self.main(a, b, *options)
        return result

    def refused(self, path, *wanted):
        good = figures.write(self.dir / "good.json", figures.pair("a_vs_b", 1.0))
        for files in ((path, good), (good, path)):
            result = self.main(*files)
            self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
            self.assert_said(result.stderr, path, "tools/bench", *wanted)

    def test_the_same_code_has_no_regression(self):
        names = [f"a{i}_vs_b" for i in range(40)]
        result = self.compare([figures.pair(n, 1.0, noise=0.2, seed=1) for n in names],
                              [figures.pair(n, 1.0, noise=0.2, seed=2) for n in names])
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assert_said(result.stdout, "40 compared", "no significant regressions beyond 5 %")

    def test_a_slower_pair_is_a_regression(self):
        result = self.compare([figures.pair("a_vs_b", 1.0), figures.pair("c_vs_d", 1.0)],
                              [figures.pair("a_vs_b", 1.2), figures.pair("c_vs_d", 1.0, seed=2)])
        self.assertEqual(result.returncode, 1, result.stdout)
        row = next(line for line in result.stdout.splitlines() if line.startswith("a_vs_b"))
        self.assertRegex(row, r"^a_vs_b +ratio +(1\.00|0\.99)\d +1\.(19|20)\d +\+(19|20|21)\.\d % +\S+ +REGRESSION$")
        self.assertEqual(result.stdout.count("REGRESSION"), 1)
        self.assert_said(result.stdout, "1 significant regression beyond 5 %")

    def test_a_slower_time_without_a_pair_is_a_regression(self):
        result = self.compare(*([figures.times("storm/cpus:2", winner_ns=ns)] for ns in (100, 120)))
        self.assertEqual(result.returncode, 1, result.stdout)

    def test_a_faster_pair_is_none(self):
        result = self.compare([figures.pair("a_vs_b", 1.2)], [figures.pair("a_vs_b", 1.0)])
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assert_said(result.stdout, "better")

    def test_the_ratio_counts_and_not_the_speed_of_the_host(self):
        result = self.compare(*([figures.pair("a_vs_b", 1.0, raw_ns=ns, seed=ns)] for ns in (100, 300)))
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_less_than_the_threshold_is_none_however_significant(self):
        old, new = [figures.pair("a_vs_b", 1.0, noise=0.001)], [figures.pair("a_vs_b", 1.04, noise=0.001)]
        self.assertEqual(self.compare(old, new).returncode, 0)
        self.assertEqual(self.compare(old, new, "--threshold", "3").returncode, 1)

    def test_much_that_is_not_significant_is_none(self):
        dice = [figures.pair("a_vs_b", r, noise=0.9, seed=s) for r, s in ((1.0, 1), (1.2, 5))]
        self.assertEqual(self.compare(*([d] for d in dice)).returncode, 0)

    def test_among_many_tests_one_needs_more_to_stand_out(self):
        # 4 against 4, apart: p = 2/70 for one test alone; 5 against 5: 2/252.
        def run(count, others):
            rest = [[figures.pair(f"x{i}_vs_y", 1.0, count=10, seed=s) for i in range(others)] for s in (1, 2)]
            return self.compare([figures.pair("a_vs_b", 1.0, count=count), *rest[0]],
                                [figures.pair("a_vs_b", 1.5, count=count), *rest[1]])
        self.assertEqual(run(4, 0).returncode, 1)
        self.assertEqual(run(5, 0).returncode, 1)
        result = run(5, 9)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assert_said(result.stdout, "1 of 10 have too few repetitions to stand out, for example a_vs_b")

    def test_p_is_that_of_mann_and_whitney_corrected_by_holm(self):
        # In a_vs_b a new value is ahead in 24 of 25 pairs: U = 1, p = 4/252. In the others it is always ahead: 2/252.
        # Holm: 2/252 times 3; 2/252 times 2, and 4/252 times 1, but no less than the one before.
        def values(name, ratios):
            return [figures.entry(name, i, 5, ours_ns=r, raw_ns=1, ratio=r) for i, r in enumerate(ratios)]
        low, high = [1, 2, 3, 3, 5], [6, 7, 8, 9, 10]
        result = self.compare([values("a_vs_b", [1, 2, 3, 4, 6]), values("c_vs_d", low), values("e_vs_f", low)],
                              [values("a_vs_b", [5, 7, 8, 9, 10]), values("c_vs_d", high), values("e_vs_f", high)])
        corrected = [line.split()[-2] for line in result.stdout.splitlines()[1:4]]
        self.assertEqual(corrected, [f"{6 / 252:.3g}"] * 3)

    def test_another_host_is_said_loudly_and_first(self):
        rows = [figures.pair("a_vs_b", 1.0)]
        result = self.compare(rows, rows, cpu="another", compiler="clang 19")
        self.assertEqual(result.returncode, 0)
        self.assert_said(result.stdout.splitlines()[0], "NOT THE SAME HOST")
        self.assert_said(result.stdout, "cpu: A & B <CPU> -> another", "compiler: gcc 12.2.0 -> clang 19")
        self.assertNotIn("NOT THE SAME", self.compare(rows, rows).stdout)

    def test_a_busy_host_is_said(self):
        rows = [figures.pair("a_vs_b", 1.0)]
        busy = self.compare(rows, rows, load_avg=[7.0, 1.0, 1.0]).stdout
        self.assert_said(busy, "b.json: the host was busy when the run began: load 7.0 on 2 CPUs")
        self.assertNotIn("a.json", busy)
        self.assertNotIn("busy", self.compare(rows, rows).stdout)

    def test_what_is_in_one_file_only_is_said(self):
        stays, goes = figures.pair("a_vs_b", 1.0), figures.pair("gone_vs_b", 1.0)
        result = self.compare([stays, goes], [stays])
        self.assert_said(result.stdout, "1 benchmark with figures in", "a.json only", "gone_vs_b")

    def test_nothing_in_common_cannot_be_compared(self):
        result = self.compare([figures.pair("a_vs_b", 1.0)], [figures.pair("c_vs_d", 1.0)])
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assert_said(result.stderr, "a.json", "b.json", "no benchmark in common")

    def test_a_file_that_is_missing_is_named(self):
        self.refused(self.dir / "missing.json", "No such file")

    def test_a_directory_is_no_file(self):
        self.refused(self.dir, "Is a directory")

    def test_a_file_of_another_format_is_named(self):
        for text, why in (("", "is empty"), ("{", "is not JSON"), ("[]", "is no JSON object"), ("{}", '"context"'),
                          ('{"context": {}, "benchmarks": [1]}', '"name"'),
                          ('{"context": {}, "benchmarks": []}', "holds no benchmarks")):
            with self.subTest(text=text):
                path = self.dir / "bad.json"
                path.write_text(text, encoding="utf-8")
                self.refused(path, why)

    def test_a_file_that_is_not_text_is_named(self):
        path = self.dir / "bad.json"
        path.write_bytes(b"\xff\xfe\x00")
        self.refused(path, "is not text")

    def test_one_repetition_cannot_be_compared(self):
        self.refused(figures.write(self.dir / "one.json", figures.pair("a_vs_b", 1.0, count=1)), "1 repetition of")

    def test_aggregates_alone_cannot_be_compared(self):
        document = figures.document(figures.pair("a_vs_b", 1.0))
        for row in document["benchmarks"]:
            row["run_type"] = "aggregate"
        path = self.dir / "aggregates.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        result = self.main(path, path)
        self.assertEqual(result.returncode, 2)
        self.assert_said(result.stderr, path, "aggregates only", "--benchmark_report_aggregates_only")


if __name__ == "__main__":
    unittest.main()
