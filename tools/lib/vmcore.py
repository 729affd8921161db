# SPDX-License-Identifier: BSL-1.0
"""Reads a core of a kernel (ELF64, little-endian), as a file or as the beginning of a disk, and believes nothing in it.

Used inside gdb, too: nothing but the standard library.
"""
import mmap
import os
import struct
from dataclasses import dataclass

PT_LOAD, PT_NOTE = 1, 4
ET_CORE = 4
NT_PRSTATUS = 1
MACHINES = {62: "x86-64", 183: "aarch64", 243: "riscv64"}
PRSTATUS_BYTES = 336  # of x86-64
PAGE = 4096
LAID_OUT_ANEW = b"anew"  # at the end of e_ident, as core_file.hpp has it
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
MOST_SEGMENTS = 1 << 20


class BadCore(Exception):
    """Why a file is refused; a sentence."""


def up(value, unit):
    return (value + unit - 1) // unit * unit


@dataclass(frozen=True)
class Segment:
    virtual: int
    physical: int
    offset: int
    bytes: int         # in the file
    memory_bytes: int
    flags: int = 7

    def row(self):
        return PROGRAM_HEADER.pack(PT_LOAD, self.flags, self.offset, self.virtual, self.physical, self.bytes,
                                   self.memory_bytes, 0)


@dataclass(frozen=True)
class Note:
    name: str
    type: int
    at: int  # of the descriptor, in the file
    bytes: bytes

    def row(self):
        name = self.name.encode() + b"\0"
        return (struct.pack("<III", len(name), len(self.bytes), self.type) + name.ljust(up(len(name), 4), b"\0") +
                self.bytes.ljust(up(len(self.bytes), 4), b"\0"))


def pid_of(prstatus):
    """The thread number in the descriptor of an NT_PRSTATUS."""
    return struct.unpack_from("<I", prstatus, 32)[0]


def registers_of(prstatus):
    """The 27 words r15 ... gs."""
    return struct.unpack_from("<27Q", prstatus, 112)


def prstatus_of(pid, registers):
    """A descriptor with these 27 words."""
    out = bytearray(PRSTATUS_BYTES)
    struct.pack_into("<I", out, 32, pid)
    struct.pack_into("<27Q", out, 112, *registers)
    return bytes(out)


def header_of(machine, segment_count):
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return HEADER.pack(ident, ET_CORE, machine, 1, 0, HEADER.size, 0, 0, HEADER.size, PROGRAM_HEADER.size, segment_count,
                       0, 0, 0)


class Core:
    """An open core. `segments` are its PT_LOADs, `notes` all of its notes in their order."""

    def __init__(self, path):
        self.path = str(path)
        try:
            self.file = open(path, "rb")  # pylint: disable=consider-using-with
            self.size = os.lseek(self.file.fileno(), 0, os.SEEK_END)
        except OSError as error:
            raise BadCore(f"{path}: {error.strerror}") from None
        try:
            self.segments, self.notes = [], []
            self._read_headers()
        except BadCore:
            self.close()
            raise

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def at(self, offset, count, what):
        """Bytes of the file."""
        if offset + count > self.size:
            raise BadCore(f"{self.path} is truncated: {what} reaches to byte {offset + count}, and there are {self.size}")
        self.file.seek(offset)
        data = self.file.read(count)
        if len(data) != count:
            raise BadCore(f"{self.path}: {what} can't be read")
        return data

    def mapped(self):
        """All of the file, for searches."""
        return mmap.mmap(self.file.fileno(), self.size, access=mmap.ACCESS_READ)

    def read_virtual(self, address, count):
        """None where the file does not have all of it, as read_physical()."""
        return self._read(address, count, "virtual")

    def read_physical(self, address, count):
        return self._read(address, count, "physical")

    def virtual_of(self, offset):
        """The virtual addresses of a byte of the file."""
        return [s.virtual + offset - s.offset for s in self.segments if s.offset <= offset < s.offset + s.bytes]

    def physical_of(self, offset):
        """The physical address of a byte of the file, None if it has none."""
        return next((s.physical + offset - s.offset for s in self.segments if s.offset <= offset < s.offset + s.bytes), None)

    def prstatuses(self):
        return [n for n in self.notes if n.name == "CORE" and n.type == NT_PRSTATUS]

    def _read(self, address, count, kind):
        out = b""
        while len(out) < count:
            at = address + len(out)
            s = next((s for s in self.segments if getattr(s, kind) <= at < getattr(s, kind) + s.bytes), None)
            if s is None:
                return None
            skip = at - getattr(s, kind)
            wanted = min(count - len(out), s.bytes - skip)
            if s.offset + skip + wanted > self.size:
                return None  # the file is truncated: see missing()
            out += self.at(s.offset + skip, wanted, "a segment")
        return out

    def _read_headers(self):
        if self.size < HEADER.size:
            raise BadCore(f"{self.path} is no core: it has {self.size} bytes, fewer than an ELF header")
        (ident, kind, self.machine, _, _, headers_at, sections_at, _, _, header_bytes, count, section_bytes, _,
         _) = HEADER.unpack(self.at(0, HEADER.size, "the ELF header"))
        if ident[:4] != b"\x7fELF":
            raise BadCore(f"{self.path} is no core: it does not begin with an ELF header"
                          f"{'' if any(ident) else ', but with zeros: nothing has been dumped to it'}")
        if ident[4:6] != b"\x02\x01":
            raise BadCore(f"{self.path} is no little-endian ELF64 file")
        self.is_laid_out_anew = ident[12:] == LAID_OUT_ANEW
        if kind != ET_CORE:
            raise BadCore(f"{self.path} is an ELF file of type {kind}, not a core (type {ET_CORE})")
        if self.machine not in MACHINES:
            raise BadCore(f"{self.path} is of a machine that is not known here: e_machine {self.machine}")
        if header_bytes != PROGRAM_HEADER.size:
            raise BadCore(f"{self.path} is damaged: a program header of {header_bytes} bytes, not {PROGRAM_HEADER.size}")
        if count == 0xffff and section_bytes == 64:  # PN_XNUM: more than fit in the header's field
            count = struct.unpack_from("<I", self.at(sections_at, 64, "the first section header"), 44)[0]
        if not 0 < count <= MOST_SEGMENTS:
            raise BadCore(f"{self.path} is damaged: it has {count} program headers")
        rows = self.at(headers_at, count * PROGRAM_HEADER.size, "the table of program headers")
        for kind, flags, offset, virtual, physical, bytes_, memory_bytes, _ in PROGRAM_HEADER.iter_unpack(rows):
            if kind == PT_NOTE:
                self._read_notes(offset, bytes_)
            elif kind == PT_LOAD:
                self.segments.append(Segment(virtual, physical, offset, bytes_, memory_bytes, flags))
        if not self.notes:
            raise BadCore(f"{self.path} has no notes: it says nothing of any CPU")

    def _read_notes(self, offset, size):
        if size > 1 << 26:
            raise BadCore(f"{self.path} is damaged: {size} bytes of notes")
        data, at = self.at(offset, size, "the segment of notes"), 0
        while at + 12 <= size:
            name_bytes, bytes_, kind = struct.unpack_from("<III", data, at)
            name_at, at_ = at + 12, at + 12 + up(name_bytes, 4)
            if name_bytes > 256 or at_ + bytes_ > size:
                raise BadCore(f"{self.path} is damaged: the note at byte {offset + at} reaches behind its segment")
            name = data[name_at:name_at + name_bytes].rstrip(b"\0").decode("ascii", "replace")
            self.notes.append(Note(name, kind, offset + at_, data[at_:at_ + bytes_]))
            at = at_ + up(bytes_, 4)

    def missing(self):
        """The first segment that the file does not have whole, as a sentence; None if there is none."""
        for s in self.segments:
            if s.offset + s.bytes > self.size:
                return (f"{self.path} is truncated: the segment of physical address {s.physical:#x} reaches to byte "
                        f"{s.offset + s.bytes}, and there are {self.size}")
        return None
