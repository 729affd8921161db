# SPDX-License-Identifier: BSL-1.0
"""What the tests of tools/bench share: where the code is, a directory for each test, programs run to their end."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REPORT = ROOT / "bench" / "report"
sys.path.insert(0, str(REPORT))


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.dir = Path(holder.name)

    def run_python(self, script, *arguments):
        return self.run_to_end([sys.executable, "-B", REPORT / script, *arguments])

    def run_tool(self, *arguments):
        return self.run_to_end([ROOT / "tools" / "bench", *arguments])

    def run_to_end(self, command):
        return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=50, check=False, cwd=self.dir)

    def assert_said(self, text, *wanted):
        for part in wanted:
            self.assertIn(str(part), text)
