# SPDX-License-Identifier: BSL-1.0
"""The options of tools/bench. None of these calls builds or measures anything."""
import unittest

import figures
from support import Case


class Options(Case):
    def refused(self, arguments, *wanted):
        result = self.run_tool(*arguments)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assert_said(result.stderr, "bench: ", *wanted)

    def test_help_names_every_option(self):
        result = self.run_tool("--help")
        self.assertEqual(result.returncode, 0)
        self.assert_said(result.stdout, "2 minutes", "--quick", "--filter", "--out", "--report", "--compare",
                         "--threshold")

    def test_wrong_options_get_an_error_with_the_remedy(self):
        (self.dir / "file").touch()
        for arguments, wanted in (
                (["--frob"], ["unknown option '--frob'", "--help"]),
                (["--filter"], ["--filter needs", "for example"]),
                (["--filter", ""], ["--filter needs", "for example"]),
                (["--out"], ["--out needs", "for example"]),
                (["--out", "--quick"], ["--out needs", "for example"]),
                (["--out", "file"], ["'file' is no directory"]),
                (["--compare", "a.json"], ["--compare needs two files", "for example"]),
                (["--threshold", "5"], ["--threshold goes with --compare"]),
                (["--compare", "a", "b", "--threshold", "x"], ["--threshold needs a percentage", "for example"]),
                (["--compare", "a", "b", "--quick"], ["--compare runs nothing", "leave out --quick"]),
                (["--report"], ["--report needs a file", "for example"])):
            with self.subTest(arguments=arguments):
                self.refused(arguments, *wanted)

    def test_files_are_those_of_the_callers_directory(self):
        figures.write(self.dir / "a.json", figures.pair("a_vs_b", 1.0))
        figures.write(self.dir / "b.json", figures.pair("a_vs_b", 1.5))
        result = self.run_tool("--compare", "a.json", "b.json")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(self.run_tool("--compare", "a.json", "a.json").returncode, 0)
        self.assertEqual(self.run_tool("--compare", "a.json", "c.json").returncode, 2)

    def test_a_page_is_made_of_what_another_run_measured(self):
        figures.write(self.dir / "a.json", figures.pair("claim_vs_cmpxchg<posix>", 1.0))
        result = self.run_tool("--report", "a.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(p.name for p in (self.dir / "a").iterdir()), ["bench.json", "ratio.svg", "report.html"])
        self.assert_said(result.stdout, "claim_vs_cmpxchg<posix>", "reached", "at most 1.05")


if __name__ == "__main__":
    unittest.main()
