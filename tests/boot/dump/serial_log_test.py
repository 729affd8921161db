#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tools/serial-vmcore makes a file of a whole log, and refuses each damage with a sentence. The logs are made up here."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOOLS = Path(__file__).resolve().parents[3] / "tools"
sys.path.insert(0, str(TOOLS / "lib"))

import srecords  # noqa: E402
from vmcore import PROGRAM_HEADER, PT_LOAD, PT_NOTE, Note, header_of  # noqa: E402


def row(kind, address, address_bytes, data=b""):
    body = bytes([address_bytes + len(data) + 1]) + address.to_bytes(address_bytes, "big") + data
    return f"S{kind}{body.hex().upper()}{~sum(body) & 0xff:02X}"


def core_bytes():
    """As small as a core can be: a note, and some memory."""
    note = Note("LASTCPU", 7, 0, b"text").row()
    memory = bytes(range(1, 251)) + bytes(3000) + b"end" + bytes(843)
    rows = (PROGRAM_HEADER.pack(PT_NOTE, 4, 180, 0, 0, len(note), 0, 4),
            PROGRAM_HEADER.pack(PT_LOAD, 6, 4096, 1 << 63, 0, len(memory), len(memory), 4096))
    return ((header_of(62, 2) + b"".join(rows)).ljust(180, b"\0") + note).ljust(4096, b"\0") + memory


CORE = core_bytes()


def data_rows():
    rows = [row(3, at, 4, CORE[at:at + 50]) for at in range(0, len(CORE), 50) if any(CORE[at:at + 50])]
    return [*rows, row(3, len(CORE) - 1, 4, b"\0")]


def dump_lines():
    """With a line of progress behind each fourth row."""
    data = data_rows()
    out = ["kernel: hello", "", "S is a letter", "crash: started", row(0, 0, 2, b"core")]
    for i, text in enumerate(data, 1):
        out.append(text)
        if i % 4 == 0:
            out.append(f"# {i * 100 // len(data)} %, {i} rows, 1 s left at 115200")
    return [*out, row(5, len(data), 2), row(7, 0, 4), "crash: done"]


def log_of(lines, end="\r\n"):
    return "".join(line + end for line in lines).encode()


class TheDecoder(unittest.TestCase):
    def setUp(self):
        self.lines = dump_lines()
        self.rows = [i for i, line in enumerate(self.lines) if line.startswith("S3")]
        self.first = next(i for i, line in enumerate(self.lines) if line.startswith("S00"))
        self.last = next(i for i, line in enumerate(self.lines) if line.startswith("S7"))

    def assert_refused(self, pattern, lines):
        with self.assertRaisesRegex(srecords.BadLog, pattern):
            srecords.Dump(log_of(lines))

    def changed(self, at, text):
        return [text if i == at else line for i, line in enumerate(self.lines)]

    def test_takes_a_whole_log(self):
        for end in ("\n", "\r\n", "\r\r\n"):
            self.assertEqual(len(data_rows()), len(srecords.Dump(log_of(self.lines, end)).data))

    def test_takes_what_the_console_says_in_between(self):
        for at in range(len(self.lines)):
            srecords.Dump(log_of([*self.lines[:at], "crash: an NMI came in", "", *self.lines[at:]]))

    def test_takes_a_number_of_24_bits(self):
        count = self.last - 1
        srecords.Dump(log_of(self.changed(count, row(6, len(data_rows()), 3))))

    def test_names_where_a_row_is_missing(self):
        for at in self.rows:
            lines = self.lines[:at] + self.lines[at + 1:]
            with self.assertRaises(srecords.BadLog) as refused:
                srecords.Dump(log_of(lines))
            self.assertIn(f"1 of {len(data_rows())} rows are missing", str(refused.exception))
            *first, last = map(int, re.findall(r"line (\d+)", str(refused.exception)))
            first = first[0] if first else 0
            self.assertTrue(first <= at + 1 <= last, f"{refused.exception}: it was line {at + 1}")

    def test_refuses_a_missing_number_of_rows_and_end(self):
        self.assert_refused("number of rows is missing", self.lines[:self.last - 1] + self.lines[self.last:])
        self.assert_refused("there is no row S7", self.lines[:self.last] + self.lines[self.last + 1:])
        self.assert_refused("no row S0", self.lines[:self.first] + self.lines[self.first + 1:])

    def test_refuses_a_doubled_row(self):
        for at in (*self.rows, self.first, self.last - 1, self.last):
            lines = self.lines[:at + 1] + self.lines[at:]
            self.assert_refused(rf"line {at + 2}\b", lines)

    def test_refuses_rows_out_of_order(self):
        a, b = self.rows[1], self.rows[2]
        lines = list(self.lines)
        lines[a], lines[b] = lines[b], lines[a]
        self.assert_refused("doubled or out of place", lines)

    def test_refuses_a_row_with_any_character_damaged(self):
        for at in (self.first, self.rows[0], self.rows[-1], self.last - 1, self.last):
            text = self.lines[at]
            for i, was in enumerate(text):
                for now in {chr(ord(was) ^ bit) for bit in (1, 2, 4, 8, 0x20)} | {"?", " "}:
                    if now.lower() != was.lower():
                        self.assert_refused("", self.changed(at, text[:i] + now + text[i + 1:]))

    def test_names_the_damaged_line(self):
        at = self.rows[2]
        text = self.lines[at]
        self.assert_refused(f"line {at + 1} is damaged: its checksum is", self.changed(at, text[:-1] + chr(ord(text[-1]) ^ 1)))
        self.assert_refused(f"line {at + 1} is damaged: it has", self.changed(at, text[:-2]))
        self.assert_refused(f"line {at + 1} is damaged: what is behind", self.changed(at, text[:9] + "crash: oops" + text[9:]))
        self.assert_refused(f"line {at + 1} is damaged: this dump has no rows", self.changed(at, "S2" + text[2:]))
        self.assert_refused(f"line {at + 1} is damaged: it has no data", self.changed(at, row(3, 0x1000, 4)))
        self.assert_refused(f"line {at + 1} is damaged: it has data", self.changed(at, row(5, 1, 2, b"data")))

    def test_refuses_a_log_that_is_cut_anywhere(self):
        whole = log_of(self.lines)
        end = whole.index(self.lines[self.last].encode()) + len(self.lines[self.last])
        for length in range(0, len(whole), 7):
            if length < end:
                with self.assertRaises(srecords.BadLog):
                    srecords.Dump(whole[:length])
        with self.assertRaises(srecords.BadLog):
            srecords.Dump(whole[:end - 1])
        srecords.Dump(whole[:end])

    def test_refuses_two_dumps(self):
        self.assert_refused(f"a second dump begins at line {len(self.lines) + self.first + 1}", self.lines * 2)

    def test_refuses_a_wrong_number(self):
        self.assert_refused(r"has \d+ rows of data, and line \d+ says 3", self.changed(self.last - 1, row(5, 3, 2)))


class TheTool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.log, self.core = (Path(self.folder.name) / name for name in ("log", "core"))
        self.log.write_bytes(log_of(dump_lines()))

    def run_tool(self, *words, **more):
        return subprocess.run([sys.executable, TOOLS / "serial-vmcore", *words], capture_output=True, text=True, timeout=60,
                              check=False, **more)

    def test_makes_the_file(self):
        ended = self.run_tool(self.log, self.core)
        self.assertEqual((0, ""), (ended.returncode, ended.stdout), ended.stderr)
        self.assertEqual(CORE, self.core.read_bytes())
        self.assertIn(f"{len(CORE)} bytes of {len(data_rows())} rows; next: tools/gdb-vmcore", ended.stderr)
        self.assertEqual({"log", "core"}, set(os.listdir(self.folder.name)), "and nothing else")

    def test_writes_over_no_other_file(self):
        for name in ("core.rows", "core.part"):
            log = self.log.rename(Path(self.folder.name) / name)
            self.assertEqual(0, self.run_tool(log, self.core).returncode)
            self.assertEqual(log_of(dump_lines()), log.read_bytes())
            self.log = log

    def assert_refused(self, pattern, *words, status=1, **more):
        self.core.write_bytes(b"before")
        ended = self.run_tool(*(words or (self.log, self.core)), **more)
        self.assertEqual(status, ended.returncode, ended.stderr)
        self.assertIn(pattern, ended.stderr)
        self.assertEqual(b"before", self.core.read_bytes(), "what was there is as it was")
        self.assertLessEqual(set(os.listdir(self.folder.name)), {"log", "core"})

    def test_changes_nothing_where_a_row_is_missing(self):
        lines = dump_lines()
        self.log.write_bytes(log_of(lines[:6] + lines[7:]))
        self.assert_refused("rows are missing")

    def test_refuses_rows_that_are_whole_and_no_core(self):
        self.log.write_bytes(log_of([row(0, 0, 2), row(3, 0, 4, b"something"), row(5, 1, 2), row(7, 0, 4)]))
        self.assert_refused("no core")

    def test_refuses_a_log_that_is_not_there(self):
        self.log.unlink()
        self.assert_refused("No such file")

    def test_says_what_to_install(self):
        self.assert_refused("apt-get install binutils", env={"PATH": "/nowhere"})

    def test_names_bad_usage(self):
        self.assert_refused("got 1 names", self.log, status=2)
        self.assert_refused("unknown option '--force'", "--force", self.log, self.core, status=2)
        self.assert_refused("are one file", self.core, self.core, status=2)
        self.assertIn("Usage: tools/serial-vmcore LOG CORE", self.run_tool("--help").stdout)


if __name__ == "__main__":
    unittest.main()
