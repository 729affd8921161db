#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""One version, wherever it stands. What is installed has it from CMakeLists.txt: that is tried by ways.py."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLACES = {  # what is before the version, in the first place where it stands
    "CMakeLists.txt": r"project\(lastcpu\s+VERSION ",
    "meson.build": r"project\('lastcpu', 'cpp',\s+version: '",
    "include/lastcpu/version.hpp": r'version_string\[\] = "',
    "CHANGELOG.md": r"\A(?:(?!\n## ).)*\n## \[",
}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


class Version(unittest.TestCase):
    def version_in(self, name):
        match = re.search(PLACES[name] + r"(\d+\.\d+\.\d+)\b", text(name), re.DOTALL)
        self.assertIsNotNone(match, f"{name} has no version where it should be")
        return match.group(1)

    def test_every_place_has_the_same(self):
        found = {name: self.version_in(name) for name in PLACES}
        self.assertEqual(len(set(found.values())), 1, found)

    def test_the_numbers_are_those_of_the_text(self):
        header = text("include/lastcpu/version.hpp")
        numbers = [re.search(rf"version_{part} = (\d+);", header).group(1) for part in ("major", "minor", "patch")]
        self.assertEqual(".".join(numbers), self.version_in("include/lastcpu/version.hpp"))

    def test_documents_ask_for_a_version_that_this_one_is(self):
        """find_package(lastcpu 0.1) finds 0.1.x only."""
        mine = self.version_in("CMakeLists.txt").rpartition(".")[0]
        for name in ("docs/ways-in.md", "tests/compile/consumer/installed/CMakeLists.txt", "SECURITY.md"):
            asked = re.findall(r"find_package\(lastcpu (\d+\.\d+)|\| (\d+\.\d+)\.x", text(name))
            self.assertEqual({a or b for a, b in asked}, {mine}, name)


if __name__ == "__main__":
    unittest.main()
