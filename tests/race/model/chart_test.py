# SPDX-License-Identifier: BSL-1.0
"""tools/chart draws every event, and every load of another CPU's store: chart_test.py TOOL PROGRAM, which prints a chart."""
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

TOOL, PROGRAM = sys.argv[1:3]
SVG = "{http://www.w3.org/2000/svg}"


def draw(text):
    return subprocess.run([TOOL], input=text, capture_output=True, text=True, check=False, timeout=30)


class Chart(unittest.TestCase):
    def test_draws_the_first_chart_of_a_model_test(self):
        command = [PROGRAM, "--gtest_filter=trylock_only.*:panic_lock_2011.*"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        chart = re.search(r"^ +CPU 0 .*?^=> (.*?)$", printed, re.MULTILINE | re.DOTALL)
        svg = ElementTree.fromstring(draw(printed).stdout)
        texts = [t.text for t in svg.iter(SVG + "text")]
        self.assertEqual(texts[0], chart[1])
        self.assertEqual(len(list(svg.iter(SVG + "circle"))), len(re.findall(r"^ *\d+  ", chart[0], re.MULTILINE)))
        self.assertIn("takes a stop NMI", texts)

    def test_leads_from_a_store_to_a_load_of_another_cpu_only(self):
        lines = ["      CPU 0     CPU 1", "   1  a := 1", "   2            a is 1 (1)", "   3  a is 1 (1)", "=> <why>"]
        svg = ElementTree.fromstring(draw("\n".join(lines)).stdout)
        dashed = [p for p in svg.iter(SVG + "path") if p.get("stroke-dasharray")]
        self.assertEqual([p.get("d") for p in dashed], ["M30 72L360 90"])
        self.assertEqual(next(svg.iter(SVG + "text")).text, "<why>")

    def test_refuses_what_is_no_chart(self):
        self.assertIn("no chart in the input", draw("nothing\n").stderr)
        self.assertIn("stands in no lane", draw("      CPU 0     CPU 1\n   1    a := 1\n").stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
