#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The reference of the public headers is made without a warning, and has what one looks for."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def made(output, *more):
    """What doxygen says of docs/Doxyfile with further lines, and its exit status."""
    lines = (ROOT / "docs/Doxyfile").read_text(encoding="utf-8") + "\n".join((f"OUTPUT_DIRECTORY = {output}", *more))
    try:
        result = subprocess.run(["doxygen", "-"], cwd=ROOT, input=lines, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        sys.exit("doxygen is missing; next: apt-get install doxygen")
    return result.stdout + result.stderr, result.returncode


class Reference(unittest.TestCase):
    def test_is_made_without_a_warning_and_has_both_interfaces(self):
        with tempfile.TemporaryDirectory() as output:
            self.assertEqual(made(output), ("", 0), "next: doxygen docs/Doxyfile")
            pages = "".join(p.read_text(encoding="utf-8") for p in pathlib.Path(output, "html").glob("*.html"))
        for name in ("panic_begin", "stop_others", "lastcpu_panic_begin", "lastcpu_kernel_send_stop", "posix_install"):
            self.assertIn(name, pages)

    def test_comment_that_is_wrong_is_named(self):
        with tempfile.TemporaryDirectory() as output:
            wrong = pathlib.Path(output, "wrong.hpp")
            wrong.write_text("/// \\nosuchcommand\nint x;\n", encoding="utf-8")
            said, status = made(output, f"INPUT = {output}")
        self.assertIn("nosuchcommand", said)
        self.assertNotEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
