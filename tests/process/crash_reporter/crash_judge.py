# SPDX-License-Identifier: BSL-1.0
"""What is wrong with a crash: with what its report says, and with the core beside it. Each answers with an empty string, or
with a sentence."""

import mmap
import os
import re
import struct

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
    rf"  \d+ +.* +({PLACE}|SILENT.*)",
    r"  and \d+ more",
    r"core: .*, \d+ KiB",
    r"the core's limit has left out \d+ KiB",
    r"  gdb \S+ \S+",
)))
PT_LOAD, PT_NOTE, NT_PRSTATUS, EXECUTABLE = 1, 4, 1, 1
PID_AT, REGISTERS_AT = 32, 112  # in prstatus_t
PC_AND_SP = {62: (16, 19), 183: (32, 31)}  # x86-64, aarch64: which word of the registers


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


def what_is_wrong_with_report(said):
    report = report_of(said)
    if report is None:
        return "not exactly one whole report"
    foreign = [line for line in report.splitlines()[1:-1] if not LINES.fullmatch(line)]
    if foreign:
        return f"a foreign line: {foreign[0]!r}"
    if "SILENT" in report:
        return "a thread was not stopped"
    return "" if "core: " in report else "there is no core"


def segments(core):
    """(type, flags, offset, address, bytes in the file, bytes in memory) of each."""
    at, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    for i in range(count):
        kind, flags, offset, address, _, in_file, in_memory = struct.unpack_from("<IIQQQQQ", core, at + i * size)
        yield kind, flags, offset, address, in_file, in_memory


def threads_in(core):
    """The registers of each thread, by its number; a number that comes twice is a mistake."""
    words = {}
    for kind, _, at, _, size, _ in segments(core):
        end = at + size
        while kind == PT_NOTE and at + 12 <= end:
            name, length, note = struct.unpack_from("<III", core, at)
            at += 12 + (name + 3) // 4 * 4
            if note == NT_PRSTATUS and length >= REGISTERS_AT:
                tid, = struct.unpack_from("<i", core, at + PID_AT)
                if tid in words:
                    raise ValueError(f"thread {tid} is in it twice")
                words[tid] = struct.unpack_from("<27Q" if length < 392 else "<34Q", core, at + REGISTERS_AT)
            at += (length + 3) // 4 * 4
    return words


def what_is_wrong_with_core(path, report, threads=None):
    """Every thread that the report counts is in the core, with a pc in code and a stack that is there; `threads` names
    them, where they are known."""
    if not os.path.exists(path):
        return "the core is not where the report says"
    if os.path.getsize(path) == 0:
        return "the core is empty"
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as core:
        return what_is_wrong_with_threads(core, report, threads)


def what_is_wrong_with_threads(core, report, threads):
    if core[:4] != b"\x7fELF":
        return "the core is no ELF file"
    try:
        found = threads_in(core)
    except ValueError as error:
        return str(error)
    gone = re.search(r", (\d+) ended meanwhile", report)
    wanted = number_of_threads(report) - (int(gone.group(1)) if gone else 0)
    if len(found) != wanted:
        return f"{len(found)} of {wanted} threads are in the core"
    if threads is not None and set(found) != set(threads):
        return f"other threads than the program's {sorted(threads)} are in the core: {sorted(found)}"
    pc, sp = PC_AND_SP[struct.unpack_from("<H", core, 18)[0]]
    loads = [s[1:] for s in segments(core) if s[0] == PT_LOAD]
    code = [(address, address + size) for flags, _, address, _, size in loads if flags & EXECUTABLE]
    kept = [(address, address + size) for _, _, address, size, _ in loads]
    for tid, words in found.items():
        if not any(low <= words[pc] < high for low, high in code):
            return f"thread {tid} has no code at its pc {words[pc]:#x}"
        if not any(low <= words[sp] < high for low, high in kept):
            return f"thread {tid} has no stack at its sp {words[sp]:#x}"
    return ""
