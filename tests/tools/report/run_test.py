# SPDX-License-Identifier: BSL-1.0
"""Running the programs and merging what they say, on programs that measure nothing."""
import json
import statistics
import unittest

import figures
from support import Case


class Run(Case):
    def bench(self, *options, programs):
        listed = self.dir / "programs.txt"
        listed.write_text("\n".join(map(str, programs)) + "\n", encoding="utf-8")
        self.out = self.dir / "out"
        result = self.run_python("bench.py", "--programs", listed, "--out", self.out, *options)
        written = self.out / "bench.json"
        self.json = json.loads(written.read_text(encoding="utf-8")) if written.exists() else None
        return result

    def entries(self, name, kind="iteration"):
        return [e for e in self.json["benchmarks"] if e["run_name"] == name and e["run_type"] == kind]

    def two_programs(self):
        claim = figures.pair("claim_vs_cmpxchg<x, hold::trial>", 1.0, count=1)
        storm = figures.times("storm/cpus:2", count=1, winner_ns=5)
        stop = figures.pair("stop_sleeping_vs_tgkill/cpus:8", 1.0, count=1)
        return [figures.fake_program(self.dir / "a_bench", claim, storm),
                figures.fake_program(self.dir / "b_bench", stop)]

    def test_the_results_of_all_programs_are_in_one_file_of_googles_format(self):
        result = self.bench("--quick", "--context", "lastcpu_commit=abc", programs=self.two_programs())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(set(self.json), {"context", "benchmarks"})
        self.assertEqual({(e["program"], e["run_name"]) for e in self.json["benchmarks"]},
                         {("a_bench", "claim_vs_cmpxchg<x, hold::trial>"), ("a_bench", "storm/cpus:2"),
                          ("b_bench", "stop_sleeping_vs_tgkill/cpus:8")})
        context = self.json["context"]
        said = [context[key] for key in ("lastcpu_commit", "lastcpu_mode", "host_name")]
        self.assertEqual(said, ["abc", "quick", "one"])

    def test_each_pass_is_a_fresh_process_and_one_repetition(self):
        programs = self.two_programs()
        self.bench("--quick", programs=programs)
        rows = self.entries("stop_sleeping_vs_tgkill/cpus:8")
        self.assertEqual([e["repetition_index"] for e in rows], list(range(10)))
        self.assertEqual({e["repetitions"] for e in rows}, {10})
        self.assertEqual((self.dir / "b_bench.runs").read_text(encoding="utf-8").splitlines(), ["quick 1"] * 10)

    def test_time_that_is_used_up_leaves_three_passes(self):
        self.bench("--quick", "--spent", "1000", programs=self.two_programs())
        self.assertEqual(len(self.entries("storm/cpus:2")), 3)

    def test_without_quick_the_programs_are_not_told_so(self):
        self.bench(programs=self.two_programs()[1:])
        self.assertEqual(set((self.dir / "b_bench.runs").read_text(encoding="utf-8").splitlines()), {"quick no"})

    def test_aggregates_are_those_of_the_repetitions(self):
        # Each run of this program says something else.
        count = 'n=$(wc -l <"$0.runs"); sed -i "s/\\"ratio\\": [0-9.]*/\\"ratio\\": $n/" "$0.json"\n'
        program = figures.fake_program(self.dir / "a_bench", figures.pair("a_vs_b", 1.0, count=1), ending=count)
        self.bench("--quick", programs=[program])
        values = [e["ratio"] for e in self.entries("a_vs_b")]
        self.assertEqual(values, list(range(1, 11)))
        by_kind = {e["aggregate_name"]: e for e in self.entries("a_vs_b", "aggregate")}
        self.assertEqual(by_kind["median"]["ratio"], 5.5)
        self.assertEqual(by_kind["mean"]["ratio"], 5.5)
        self.assertAlmostEqual(by_kind["stddev"]["ratio"], statistics.stdev(values))
        self.assertAlmostEqual(by_kind["cv"]["ratio"], statistics.stdev(values) / 5.5)
        self.assertEqual(by_kind["median"]["name"], "a_vs_b_median")

    def test_there_is_a_line_for_each_benchmark_with_the_time_left(self):
        result = self.bench("--quick", programs=self.two_programs())
        lines = [line for line in result.stdout.splitlines() if line.startswith("[pass")]
        self.assertEqual(len(lines), 30)
        self.assertRegex(lines[0],
                         r"^\[pass 1 of \d+, 1/3, about .* s left\] a_bench: claim_vs_cmpxchg<x, hold::trial>$")
        self.assertRegex(lines[-1], r"^\[pass 10 of 10, 3/3, 0 s left\] b_bench: stop_sleeping_vs_tgkill/cpus:8$")

    def test_a_filter_leaves_out_benchmarks_and_whole_programs(self):
        result = self.bench("--quick", "--filter", "^stop", programs=self.two_programs())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual({e["program"] for e in self.json["benchmarks"]}, {"b_bench"})

    def test_a_filter_that_fits_nothing_is_an_error(self):
        result = self.bench("--quick", "--filter", "nothing", programs=self.two_programs())
        self.assertEqual(result.returncode, 2)
        self.assert_said(result.stderr, "--filter 'nothing'", "--benchmark_list_tests")
        self.assertIsNone(self.json)

    def test_a_filter_that_is_no_regular_expression_is_an_error(self):
        result = self.bench("--filter", "(", programs=self.two_programs())
        self.assertEqual(result.returncode, 2)
        self.assert_said(result.stderr, "'('", "regular expression")

    def test_a_program_that_dies_is_named_and_the_others_are_reported(self):
        programs = self.two_programs()
        programs.append(figures.fake_program(self.dir / "c_bench", figures.pair("x_vs_y", 1.0, count=1),
                                             ending="kill -SEGV $$\n"))
        result = self.bench("--quick", programs=programs)
        self.assertEqual(result.returncode, 1)
        self.assert_said(result.stdout, "FAILED", self.dir / "c_bench", "signal 11", "c_bench.log")
        self.assertEqual(len(self.entries("stop_sleeping_vs_tgkill/cpus:8")), 10)
        self.assert_said((self.out / "report.html").read_text(encoding="utf-8"), "c_bench", "signal 11")

    def test_a_benchmark_that_reports_an_error_is_named(self):
        rows = [figures.entry("x_vs_y") | {"error_occurred": True, "error_message": "no such <clock>"}]
        programs = self.two_programs() + [figures.fake_program(self.dir / "c_bench", rows)]
        result = self.bench("--quick", programs=programs)
        self.assertEqual(result.returncode, 1)
        self.assert_said(result.stdout, "c_bench: x_vs_y: no such <clock>")
        self.assertTrue(any(e.get("error_message") == "no such <clock>" for e in self.json["benchmarks"]))

    def test_a_peer_that_was_not_there_costs_a_line_and_no_error(self):
        left_out = self.dir / "peers_left_out.txt"
        left_out.write_text("glog, which does not link: undefined\n", encoding="utf-8")
        result = self.bench("--quick", "--left-out", left_out, programs=self.two_programs())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assert_said(result.stdout, "Not measured: glog, which does not link: undefined.")
        self.assert_said((self.out / "report.html").read_text(encoding="utf-8"), "Not measured: glog, which does not link")
        self.assertEqual(self.json["context"]["lastcpu_left_out"], ["glog, which does not link: undefined"])

    def test_a_benchmark_that_this_host_cannot_run_is_no_error(self):
        rows = [figures.entry("x_vs_y/at:across") | {"label": "skipped: one socket only"}]
        programs = self.two_programs() + [figures.fake_program(self.dir / "c_bench", rows)]
        result = self.bench("--quick", programs=programs)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assert_said(result.stdout, "not on this host: x_vs_y/at:across: one socket only")
        self.assert_said((self.out / "report.html").read_text(encoding="utf-8"), "Not on this host", "one socket only")
        self.assertEqual([e["label"] for e in self.entries("x_vs_y/at:across")], ["skipped: one socket only"])

    def test_a_name_that_is_used_twice_is_an_error(self):
        program = figures.fake_program(self.dir / "a_bench", figures.pair("x_vs_y", 1.0, count=1))
        (self.dir / "a_bench.names").write_text("x_vs_y\nx_vs_y\n", encoding="utf-8")
        result = self.bench("--quick", programs=[program])
        self.assertEqual(result.returncode, 1)
        self.assert_said(result.stdout, "a_bench: x_vs_y is the name of two benchmarks")

    def test_a_program_that_writes_nonsense_is_named(self):
        programs = [figures.fake_program(self.dir / "a_bench", figures.pair("x_vs_y", 1.0, count=1),
                                         ending='echo "{" >"$0.json"\n')]
        result = self.bench("--quick", programs=programs)
        self.assertEqual(result.returncode, 1)
        self.assert_said(result.stderr, "no benchmark gave a result", "is not JSON", "a_bench")


if __name__ == "__main__":
    unittest.main()
