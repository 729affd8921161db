#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What a sanitizer's build leaves out runs in a preset without one: tools/test has a table of what each does not build."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
WITHOUT_A_SANITIZER = ("gcc-release", "clang-release")
# A test that is not there under AddressSanitizer, or a program that is not.
LEFT_OUT_UNDER_ONE = re.compile(r"#if[^\n]*!defined\(LASTCPU_TEST_UNDER_ASAN\)|if\([^\n]*CMAKE_CXX_FLAGS\}?\"? MATCHES \"-?fsanitize\"")


def not_built():
    """{preset: folders}"""
    table = re.search(r"declare -A not_built=\((.*?)^\)", (ROOT / "tools/test").read_text(encoding="utf-8"), re.S | re.M)
    return {preset: folders.split(";") for preset, folders in re.findall(r'\[([\w-]+)\]="([^"]*)"', table.group(1))}


def folders_with_such_tests():
    files = [p for pattern in ("*.cpp", "CMakeLists.txt") for p in (ROOT / "tests").rglob(pattern)]
    return sorted({p.parent.relative_to(ROOT / "tests").as_posix() for p in files
                   if LEFT_OUT_UNDER_ONE.search(p.read_text(encoding="utf-8"))})


def nowhere(table, folders):
    def is_built(folder, preset):
        return not any(folder == out or folder.startswith(f"{out}/") for out in table.get(preset, []))

    return [folder for folder in folders if not any(is_built(folder, preset) for preset in WITHOUT_A_SANITIZER)]


class Presets(unittest.TestCase):
    def test_what_a_sanitizer_leaves_out_runs_without_one(self):
        folders = folders_with_such_tests()
        self.assertIn("process/posix", folders)
        self.assertIn("unit/narrow", folders)
        self.assertEqual(nowhere(not_built(), folders), [], "next: let a preset without a sanitizer build them: not_built "
                         "in tools/test")

    def test_folder_that_no_such_preset_builds_is_named(self):
        table = {"gcc-release": ["process/posix"], "clang-release": ["process"]}
        self.assertEqual(nowhere(table, ["process/posix", "unit/narrow"]), ["process/posix"])


if __name__ == "__main__":
    unittest.main()
