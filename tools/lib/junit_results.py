# SPDX-License-Identifier: BSL-1.0
"""junit_results.py FILE: reads what `ctest --output-junit` wrote.

First line: the numbers of passed and failed tests. Then, for each failed one, a line "name<TAB>why" and
the end of its output, indented. A test that was skipped, disabled or not run has not passed, so it counts
as failed. A GoogleTest program that ran as one test counts as the tests that it says it ran.
"""
import re
import sys
import xml.etree.ElementTree

WHY = {"fail": "failed", "notrun": "was skipped or not run", "disabled": "is disabled", "run": "has skipped or disabled tests"}
OUTPUT_LINES = 15

# What GoogleTest prints around the output of the test itself.
BOOKKEEPING = re.compile(r"\[[ =A-Z-]{10}\]|Running main|Note: Google Test filter|\s*\d+ FAILED TEST|\s*$")

RAN_WHOLE = re.compile(r"^\[==========\] (\d+) tests? from \d+ test suites? ran\.", re.MULTILINE)
WHICH = re.compile(r"^\[  FAILED  \] \S+(?:, where .*)? \(\d+ ms\)$", re.MULTILINE)
PASSED = re.compile(r"^\[  PASSED  \] (\d+) tests?\.$", re.MULTILINE)
DISABLED = re.compile(r"^ *YOU HAVE (\d+) DISABLED TESTS?$", re.MULTILINE)


def counts(case):
    """(passed, failed)"""
    output = case.findtext("system-out", "")
    runs = case.get("status") == "run"
    ran, well, disabled = (pattern.findall(output) for pattern in (RAN_WHOLE, PASSED, DISABLED))
    if not ran or not well:  # no such program, or it died on the way
        return (1, 0) if runs else (0, 1)
    # The last line is the program's own, whatever its tests have started.
    good, bad = int(well[-1]), int(ran[-1]) - int(well[-1]) + sum(map(int, disabled[-1:]))
    return good, bad if runs else max(1, bad)


passed = all_failed = 0
failed = []
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    good, bad = counts(case)
    passed += good
    all_failed += bad
    if bad:
        failed.append(case)

print(passed, all_failed)
for case in failed:
    print(case.get("name"), WHY.get(case.get("status"), case.get("status")), sep="\t")
    text = case.findtext("system-out", "")
    whole = RAN_WHOLE.search(text)
    names = WHICH.findall(text) if whole and int(whole[1]) > 1 else []
    output = [line for line in text.splitlines() if not BOOKKEEPING.match(line)] + names
    for line in output[-OUTPUT_LINES:]:
        print("    " + line)
