#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Every file of C++ is as clang-format 14 leaves it; another version would lay it out differently."""
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDERS = ("include", "examples", "tests", "bench")
CLANG_FORMAT = "clang-format-14"


def complaints(*arguments, text=None):
    """What clang-format would change, one line for each place."""
    try:
        result = subprocess.run([CLANG_FORMAT, "--dry-run", "--Werror", *arguments], cwd=ROOT, input=text, text=True,
                                capture_output=True, check=False)
    except FileNotFoundError:
        sys.exit(f"{CLANG_FORMAT} is missing; next: apt-get install clang-format-14")
    found = [line for line in result.stderr.splitlines() if "error:" in line]
    return found or ([result.stderr] if result.returncode != 0 else [])


class Format(unittest.TestCase):
    def test_every_file_is_formatted(self):
        files = [str(p.relative_to(ROOT)) for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*"))]
        found = complaints(*(f for f in files if f.endswith((".hpp", ".cpp"))))
        for c_header in (f for f in files if f.endswith(".h")):  # some are taken for Objective-C by their name
            found += complaints(f"--assume-filename={c_header}pp", text=(ROOT / c_header).read_text(encoding="utf-8"))
        self.assertEqual(found, [], "next: clang-format-14 -i the files that are named")

    def test_line_that_is_not_is_named(self):
        file = "--assume-filename=include/lastcpu/cpu.hpp"
        self.assertEqual(complaints(file, text="int right;\n"), [])
        self.assertEqual(len(complaints(file, text="int right;\nint  wrong;\n")), 1)


if __name__ == "__main__":
    unittest.main()
