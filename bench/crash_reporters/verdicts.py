# SPDX-License-Identifier: BSL-1.0
"""What is wrong with a crash, in the words of the table."""
import re
import signal
from collections import Counter

SIGNALS = {"mixed": {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE}}
FOREIGN = "bystander"
EARLIER = "the earlier handler"


def report_problem(handler, lines):
    """Of the number of reports: a word, or nothing."""
    begins = [i for i, line in enumerate(lines) if handler.begins in line]
    if not begins:
        return "without a report"
    if len(begins) > 1:
        return "several reports"
    ends = [i for i, line in enumerate(lines) if handler.ends in line and i > begins[0]]
    return None if ends else "cut"


def has_foreign_line(handler, lines):
    begins = [i for i, line in enumerate(lines) if handler.begins in line]
    ends = [i for i, line in enumerate(lines) if handler.ends in line]
    return bool(begins and ends) and any(FOREIGN in line for line in lines[begins[0]:ends[-1]])


def right_signal(case, status):
    if case == "process_one":
        return status == 0  # its parent has looked
    return -status in SIGNALS.get(case, {signal.SIGSEGV})


def lists_every_thread(handler, crash):
    """Each with a place, in the report; or each with registers, in the core. Where none has said its number nothing is known."""
    if not crash.tids:
        return False
    if handler.writes_core:
        return crash.core_tids is not None and set(crash.tids) <= set(crash.core_tids)
    return all(re.search(rf"^(thread|) *{tid} .*", crash.said, re.MULTILINE) for tid in crash.tids) and "SILENT" not in crash.said


def problems(handler, case, crash):
    """Words; empty where the crash is as it should be."""
    lines = crash.said.splitlines()
    found = []
    if handler.begins:
        found.append(report_problem(handler, lines))
        found.append("foreign lines" if has_foreign_line(handler, lines) else None)
    if handler.writes_core:
        found.append(None if crash.core_tids else "no core")
    if crash.status is None:
        found.append("hung")
    elif not right_signal(case, crash.status):
        found.append("another signal")
    if case == "earlier_handler":
        found.append(None if EARLIER in crash.said else "it is not called")
    return [word for word in found if word]


def cell(found):
    """A cell of the table from the problems of each crash: how many have none, and what the others have."""
    good = sum(not f for f in found)
    words = Counter(word for f in found for word in f)
    return f"{good}" + "".join(f"{', ' if i else ': '}{n} {word}" for i, (word, n) in enumerate(words.most_common()))
