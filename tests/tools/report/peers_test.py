# SPDX-License-Identifier: BSL-1.0
"""cmake/lastcpu_bench_peers.cmake where peers are missing or broken: their rows are left out, or the build stops."""
import unittest

from support import ROOT, Case

PROJECT = f"""
cmake_minimum_required(VERSION 3.25)
project(peers LANGUAGES CXX)
include({ROOT}/cmake/lastcpu_bench_peers.cmake)
file(WRITE ${{PROJECT_BINARY_DIR}}/peers_left_out.txt "${{lastcpu_peers_left_out}}")
message(STATUS "has: ${{lastcpu_has_failure_signal_handler}} ${{lastcpu_has_glog}} ${{lastcpu_has_boehm_gc}}")
"""


class Peers(Case):
    def configure(self, *definitions):
        (self.dir / "CMakeLists.txt").write_text(PROJECT, encoding="utf-8")
        return self.run_to_end(["cmake", "-G", "Ninja", "-S", self.dir, "-B", self.dir / "build",
                                *(f"-D{definition}" for definition in definitions)])

    def test_one_that_is_missing_or_does_not_link_costs_a_line(self):
        result = self.configure("LASTCPU_BENCH_PEERS=ON", "CMAKE_DISABLE_FIND_PACKAGE_absl=ON",
                                "lastcpu_gc_library=/no/libgc.so")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_said(result.stdout, "has: FALSE TRUE FALSE")
        lines = (self.dir / "build/peers_left_out.txt").read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assert_said(lines[0], "Abseil, which was not found", "apt-get install libabsl-dev")
        self.assert_said(lines[1], "the Boehm collector, which is installed and does not link: error: ", "/no/libgc.so")

    def test_glog_is_found_where_its_own_package_fails(self):
        result = self.configure("LASTCPU_BENCH_PEERS=ON", "CMAKE_DISABLE_FIND_PACKAGE_Unwind=ON")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_said(result.stdout, "has: TRUE TRUE TRUE")

    def test_where_all_are_required_the_build_stops_and_says_why(self):
        result = self.configure("LASTCPU_BENCH_PEERS=REQUIRED", "CMAKE_DISABLE_FIND_PACKAGE_absl=ON")
        self.assertNotEqual(result.returncode, 0)
        self.assert_said(" ".join(result.stderr.split()), "can't be built against Abseil, which was not found",
                         "apt-get install libabsl-dev", "set LASTCPU_BENCH_PEERS to ON")


if __name__ == "__main__":
    unittest.main()
