# SPDX-License-Identifier: BSL-1.0
"""junit_results.py FILE: reads what `ctest --output-junit` wrote.

First line: the numbers of passed and failed tests. Then, for each failed one, a line "name<TAB>why" and
the end of its output, indented. A test that was skipped, disabled or not run has not passed, so it counts
as failed.
"""
import re
import sys
import xml.etree.ElementTree

WHY = {"fail": "failed", "notrun": "was skipped or not run", "disabled": "is disabled"}
OUTPUT_LINES = 15

# What GoogleTest prints around the output of the test itself.
BOOKKEEPING = re.compile(r"\[[ =A-Z-]{10}\]|Running main|Note: Google Test filter|\s*\d+ FAILED TEST|\s*$")

passed = 0
failed = []
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    if case.get("status") == "run":
        passed += 1
    else:
        failed.append(case)

print(passed, len(failed))
for case in failed:
    print(case.get("name"), WHY.get(case.get("status"), case.get("status")), sep="\t")
    output = [line for line in case.findtext("system-out", "").splitlines() if not BOOKKEEPING.match(line)]
    for line in output[-OUTPUT_LINES:]:
        print("    " + line)
