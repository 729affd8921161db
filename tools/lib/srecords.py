# SPDX-License-Identifier: BSL-1.0
"""Finds the S-records of a core in the log of a serial line, and believes in no row that does not fit.

objcopy takes a file with a row missing for a good one, so all that can be wrong is found here: a row that is damaged, doubled,
missing or cut off, a second dump behind the first. Rows go up in the file, and their number comes last.
"""
import re
from dataclasses import dataclass

ROW = re.compile(rb"^S[0-9]")
PROGRESS = re.compile(rb"^# \d+ %, (\d+) rows,")
ADDRESS_BYTES = {"0": 2, "3": 4, "5": 2, "6": 3, "7": 4}


class BadLog(Exception):
    """Why a log is refused; a sentence."""


@dataclass(frozen=True)
class Row:
    line: int  # in the log, from 1 on
    kind: str
    address: int
    bytes: bytes
    text: bytes


def row_of(line, text):
    """BadLog: it is damaged."""
    def damaged(why):
        return BadLog(f"line {line} is damaged: {why}: {text[:24].decode('latin-1')}...")

    kind = chr(text[1])
    if kind not in ADDRESS_BYTES:
        raise damaged(f"this dump has no rows of the kind S{kind}")
    try:
        data = bytes.fromhex(text[2:].decode("ascii"))
    except ValueError:
        raise damaged("what is behind the kind is not all pairs of hexadecimal digits") from None
    if len(data) < 1 or data[0] != len(data) - 1:
        raise damaged(f"it has {len(data) - 1} bytes, and says {data[0] if data else 'nothing'}")
    if sum(data) & 0xff != 0xff:
        raise damaged(f"its checksum is {data[-1]:02X}, and should be {~sum(data[:-1]) & 0xff:02X}")
    size = ADDRESS_BYTES[kind]
    if len(data) < size + 2:
        raise damaged("it is too short for its kind")
    if (len(data) > size + 2) != (kind == "3") and kind != "0":
        raise damaged("it has no data" if kind == "3" else "it has data, and its kind has none")
    return Row(line, kind, int.from_bytes(data[1:1 + size], "big"), data[1 + size:-1], text)


def missing_between(progress, data_rows, end_line):
    """Where rows are missing, by the lines that say how many there were."""
    before_line, before_said, before_seen = 0, 0, 0
    for line, said in [*progress, (end_line, None)]:
        seen = sum(row.line < line for row in data_rows)
        if said is None or said - before_said != seen - before_seen:
            return f" (between line {before_line} and line {line})" if before_line else f" (before line {line})"
        before_line, before_said, before_seen = line, said, seen
    return ""


class Dump:
    """The rows of one dump, whole. BadLog: the log has none that is."""

    def __init__(self, log):
        self.rows, self.progress, self.count, self.end = [], [], None, None
        for number, text in enumerate(log.split(b"\n"), 1):
            self._take(number, text.rstrip(b"\r \t"))
        if not self.rows:
            raise BadLog("there is no row S0 in it: no dump begins here; was the kernel's command line without dump=serial?")
        if self.end is None:
            raise BadLog(f"it ends before the dump does: behind line {self.rows[-1].line} there is no row "
                         f"{'S7' if self.count else 'S5 and no S7'}; let it run to its end")
        self._check_order()
        self._check_count()

    @property
    def data(self):
        return [row for row in self.rows if row.kind == "3"]

    def _take(self, number, text):
        said = PROGRESS.match(text)
        if said and self.rows:
            self.progress.append((number, int(said.group(1))))
        if not ROW.match(text) or (not self.rows and text[1:2] != b"0"):
            return  # before the dump a kernel may say what it likes
        if not self.rows and re.search(rb"[^0-9A-F]", text[1:]):
            return
        row = row_of(number, text)
        if row.kind == "0" and self.rows:
            raise BadLog(f"a second dump begins at line {number}, the first at line {self.rows[0].line}: cut the log in two")
        if self.end is not None:
            raise BadLog(f"line {number} is behind the end of the dump, which is line {self.end.line}: a doubled row?")
        if self.count is not None and row.kind != "7":
            raise BadLog(f"line {number} is behind the number of rows, which is line {self.count.line}: a doubled row?")
        self.rows.append(row)
        if row.kind in "56":
            self.count = row
        if row.kind == "7":
            self.end = row

    def _check_order(self):
        before, end = None, 0
        for row in self.data:
            if row.address < end:
                raise BadLog(f"line {row.line} has bytes from {row.address:#x} on, where line {before.line} has them up to "
                             f"{end:#x}: one of them is doubled or out of place")
            before, end = row, row.address + len(row.bytes)

    def _check_count(self):
        if self.count is None:
            raise BadLog(f"the number of rows is missing: no row S5 or S6 before line {self.end.line}")
        there, said = len(self.data), self.count.address
        if there < said:
            where = missing_between(self.progress, self.data, self.count.line)
            raise BadLog(f"{said - there} of {said} rows are missing{where}: the line has lost them; log it once more")
        if there > said:
            raise BadLog(f"it has {there} rows of data, and line {self.count.line} says {said}")


def text_of(rows):
    return b"".join(row.text + b"\n" for row in rows)
