# SPDX-License-Identifier: BSL-1.0
"""The kernel's ELF file beside a core of it: is it the one, and how far was it moved?"""
import struct
from dataclasses import dataclass

import vmcore
from vmcore import PROGRAM_HEADER, PT_LOAD, PT_NOTE, BadCore, up

NT_GNU_BUILD_ID = 3


@dataclass(frozen=True)
class Kernel:
    path: str
    build_id: str           # "": it has none
    build_id_note: bytes    # the whole note
    build_id_at: int        # its link-time address
    segments: tuple         # ((address, bytes, flags)...): its PT_LOADs
    has_names: bool         # a .debug_info: of functions, lines and variables

    @staticmethod
    def read(path):
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise BadCore(f"{path}: {error.strerror}") from None
        if data[:6] != b"\x7fELF\x02\x01" or len(data) < vmcore.HEADER.size:
            raise BadCore(f"{path} is no kernel: not a little-endian ELF64 file")
        at, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
        if size != PROGRAM_HEADER.size or at + count * size > len(data):
            raise BadCore(f"{path} is damaged: its program headers are not in it")
        rows = [PROGRAM_HEADER.unpack_from(data, at + i * size) for i in range(count)]
        note, where = b"", 0
        for kind, _, offset, virtual, _, bytes_, _, _ in rows:
            if kind == PT_NOTE and not note:
                note, where = build_id_note(data[offset:offset + bytes_], virtual)
        loads = tuple((r[3], r[6], r[1]) for r in rows if r[0] == PT_LOAD and r[6])
        return Kernel(str(path), note[16:].hex(), note, where, loads, b"\0.debug_info\0" in data)

    def slide_in(self, core):
        """How far the kernel was moved, by the places of its build id in the core's memory: the least of those where all of
        it lies. None if there is none."""
        slides = [address - self.build_id_at for address in places_of(core, self.build_id_note)]
        slides = [slide for slide in slides if slide % vmcore.PAGE == 0 and self.is_covered(core, slide)]
        return min(slides, key=abs) if slides else None

    def is_covered(self, core, slide, flags=0):
        """The core has the beginning and the end of each segment (with these flags)."""
        return all(core.read_virtual(end + slide, 1) is not None
                   for address, bytes_, has in self.segments if has & flags == flags for end in (address, address + bytes_ - 1))

    def ends_are_covered(self, core, flags):
        """The core has the last byte of each segment with these flags: of .data and .bss no more than tables are missing."""
        return all(core.read_virtual(address + bytes_ - 1, 1) is not None
                   for address, bytes_, has in self.segments if has & flags == flags)


def places_of(core, text):
    """The virtual addresses of `text` in the core's memory."""
    out = []
    with core.mapped() as memory:
        at = memory.find(text) if text else -1
        while at >= 0:
            out += core.virtual_of(at)
            at = memory.find(text, at + 1)
    return out


def build_ids_in(core):
    """Those of whatever programs lie in the core's memory."""
    head = struct.pack("<III4s", 4, 20, NT_GNU_BUILD_ID, b"GNU")
    found = (core.read_virtual(at + len(head), 20) for at in places_of(core, head))
    return sorted({build_id.hex() for build_id in found if build_id})


def build_id_note(data, virtual):
    """(the note, its address) among notes, (b"", 0) if there is none."""
    at = 0
    while at + 12 <= len(data):
        name_bytes, bytes_, kind = struct.unpack_from("<III", data, at)
        end = at + 12 + up(name_bytes, 4) + up(bytes_, 4)
        if kind == NT_GNU_BUILD_ID and data[at + 12:at + 16] == b"GNU\0" and end <= len(data):
            return data[at:end], virtual + at
        at = end
    return b"", 0
