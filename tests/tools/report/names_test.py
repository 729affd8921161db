# SPDX-License-Identifier: BSL-1.0
"""The names of benchmarks in words."""
import re
import unittest

from support import ROOT, Case

from names import COUNTED, OURS, RAW, VALUES, in_words
from results import Benchmark


def names_in_sources():
    """{family: file} of what is registered under bench/."""
    found = {}
    for path in sorted((ROOT / "bench").glob("*_bench.cpp")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'(?:BENCHMARK\(|")((?:control_)?\w+_vs_\w+|control_\w+)', text):
            found[name] = path.name
    return found


class Names(Case):
    def said(self, name):
        return in_words(Benchmark("x_bench", name))

    def test_a_pair_is_told_with_what_it_is_compared_with_and_its_parameters(self):
        self.assertEqual(self.said("claim_vs_cmpxchg/platform:posix/hold:trial"),
                         "A claim of the open gate / lock cmpxchg: POSIX port, for crash_kexec()")
        self.assertEqual(self.said("stop_with_losers_vs_without/cpus:512/losers:1/at:one_processor/real_time"),
                         "Stop where some have lost and are parked / with none parked: 512 CPUs, 1 loser, all on one processor")
        self.assertEqual(self.said("faults_to_end_vs_glog/threads:4096"),
                         "Faults together, until the end of the process / glog's handler: 4,096 threads")

    def test_a_size_is_told_in_units(self):
        self.assertEqual(self.said("sha256_vs_xxh64/65536"), "SHA-256 / xxh64: 64 KiB")
        self.assertEqual(self.said("sha256_vs_xxh64/4194304"), "SHA-256 / xxh64: 4 MiB")
        self.assertEqual(self.said("sha256_vs_xxh64/1500"), "SHA-256 / xxh64: 1,500")

    def test_what_has_no_words_is_shown_as_it_is(self):
        self.assertEqual(self.said("new_vs_old<a>/cpus:2/real_time"), "new_vs_old<a>/cpus:2")
        self.assertEqual(self.said("claim_vs_load/some_thing:big_one"), "A claim of the open gate / a load: some thing big_one")

    def test_every_benchmark_that_there_is_has_words(self):
        families = names_in_sources()
        self.assertGreater(len(families), 25)
        for family, file in families.items():
            ours, versus, raw = family.partition("_vs_")
            self.assertIn(ours, OURS, f"{file}: {family}")
            self.assertTrue(not versus or raw in RAW, f"{file}: {family}")

    def test_every_value_of_a_parameter_that_there_is_has_words(self):
        found = 0
        for path in sorted((ROOT / "bench").glob("*_bench.cpp")):
            for key, value in re.findall(r"/(\w+):([a-z]\w*)", path.read_text(encoding="utf-8")):
                self.assertTrue(key in COUNTED or value in VALUES.get(key, {}), f"{path.name}: {key}:{value}")
                found += 1
        self.assertGreater(found, 10)


if __name__ == "__main__":
    unittest.main()
