# SPDX-License-Identifier: BSL-1.0
"""What is wrong with a crash: with what its report says, and with the core beside it. Each answers with an empty string, or
with a sentence."""

import os
import re
import struct
import sys
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools" / "lib"))

from vmcore import BadCore, Core, pid_of  # noqa: E402

HEAD = re.compile(r"^\*\*\* \S+\[\d+\] has crashed \*\*\*$", re.MULTILINE)
END = "*** end of report ***"
PLACE = r"0x[0-9a-f]+ (\(nothing is mapped there\)|\(no file\)|\S+\+0x[0-9a-f]+)"
LINES = re.compile("|".join((
    r"note( [^:]+)?: .*",
    r'thread \d+ ".*": SIG[A-Z]+ .*',
    rf"  #\d+ +{PLACE}( \S+)?",
    r"  \.\.\.",
    r"\d+ threads?, .*",
    r"and \d+ more crashed threads",
    r"reported by the crashing thread itself, without ptrace: .*",
    rf"  \d+ +.* +({PLACE}|SILENT.*)",
    r"  and \d+ more",
    r"core: .*, \d+ KiB",
    r"the core's limit has left out \d+ KiB",
    r"  gdb \S+ \S+",
)))
EXECUTABLE = 1  # of a segment's flags
REGISTERS_AT = 112  # in prstatus_t
Registers = namedtuple("Registers", "words pc sp")
REGISTERS = {62: Registers("<27Q", 16, 19), 183: Registers("<34Q", 32, 31)}  # x86-64, aarch64


def report_of(said):
    """The one report among what a program has said; None where there is none, or more than one."""
    heads = list(HEAD.finditer(said))
    if len(heads) != 1 or said.count(END + "\n") != 1:
        return None
    end = said.index(END) + len(END) + 1
    return said[heads[0].start():end] if heads[0].start() < end else None


def number_of_threads(report):
    found = re.search(r"^(\d+) threads?,", report, re.MULTILINE)
    return int(found.group(1)) if found else 0


def what_is_wrong_with_report(said, with_core=True):
    report = report_of(said)
    if report is None:
        return "not exactly one whole report"
    foreign = [line for line in report.splitlines()[1:-1] if not LINES.fullmatch(line)]
    if foreign:
        return f"a foreign line: {foreign[0]!r}"
    if "SILENT" in report:
        return "a thread was not stopped"
    return "" if not with_core or "core: " in report else "there is no core"


def threads_in(core):
    """The registers of each thread, by its number; a number that comes twice is a mistake."""
    words = {}
    for status in core.prstatuses():
        tid = pid_of(status.bytes)
        if tid in words:
            raise BadCore(f"thread {tid} is in it twice")
        words[tid] = struct.unpack_from(REGISTERS[core.machine].words, status.bytes, REGISTERS_AT)
    return words


def what_is_wrong_with_core(path, report, threads=None):
    """Every thread that the report counts is in the core, with a pc in code and a stack that is there; `threads` names
    them, where they are known."""
    if not os.path.exists(path):
        return "the core is not where the report says"
    try:
        with Core(path) as core:
            return core.missing() or what_is_wrong_with_threads(core, report, threads)
    except BadCore as error:
        return str(error)
    except struct.error:
        return "a thread's registers in the core are cut"


def what_is_wrong_with_threads(core, report, threads):
    found = threads_in(core)
    gone = re.search(r", (\d+) ended meanwhile", report)
    wanted = number_of_threads(report) - (int(gone.group(1)) if gone else 0)
    if len(found) != wanted:
        return f"{len(found)} of {wanted} threads are in the core"
    if threads is not None and set(found) != set(threads):
        return f"other threads than the program's {sorted(threads)} are in the core: {sorted(found)}"
    code = [(s.virtual, s.virtual + s.memory_bytes) for s in core.segments if s.flags & EXECUTABLE]
    kept = [(s.virtual, s.virtual + s.bytes) for s in core.segments if s.bytes]
    begins = {low for low, _ in kept}
    guards = [(s.virtual, s.virtual + s.memory_bytes) for s in core.segments if not s.flags]  # where an overflow ends
    kept += [(low, high) for low, high in guards if high in begins]
    at = REGISTERS[core.machine]
    for tid, words in found.items():
        if not any(low <= words[at.pc] < high for low, high in code):
            return f"thread {tid} has no code at its pc {words[at.pc]:#x}"
        if not any(low <= words[at.sp] < high for low, high in kept):
            return f"thread {tid} has no stack at its sp {words[at.sp]:#x}"
    return ""
