#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Writes the handmade part of the corpus: one tiny ELF file for each thing that the loader treats in its own way."""
import pathlib
import struct

BASE = 0x4000000  # the region of tests/x86_64/reserved_memory.hpp
CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def segment(physical, content, memory=None, kind=1, flags=5, align=1):
    return kind, flags, physical, content, len(content) if memory is None else memory, align


def elf(entry, segments, **changed):
    field = {"type": 2, "machine": 62, "headers": 64, "count": len(segments)} | changed
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", field["type"], field["machine"], 1, entry,
                                                     field["headers"], 0, 0, 64, 56, field["count"], 0, 0, 0)
    at = len(head) + 56 * len(segments)
    headers = body = b""
    for kind, flags, physical, content, memory, align in segments:
        pad = (physical - at - len(body)) % align
        offset = at + len(body) + pad
        body += bytes(pad) + content
        headers += struct.pack("<IIQQQQQQ", kind, flags, offset, physical, physical, len(content), memory, align)
    return head + headers + body


CODE = segment(BASE, b"\xf4\xeb\xfd" * 3)
DATA = segment(BASE + 0x100, b"data", 64, flags=6)
FILES = {
    "one_segment": elf(BASE, [CODE]),
    "code_data_bss": elf(BASE + 3, [CODE, DATA]),
    "descending": elf(BASE, [DATA, CODE]),
    "aligned": elf(BASE + 0x1001, [segment(BASE + 0x1000, b"\x90\xf4", 0x2000, align=16)]),
    "only_bss_behind": elf(BASE, [CODE, segment(BASE + 0x8000, b"", 0x100, flags=6)]),
    "empty_segment": elf(BASE, [CODE, segment(1, b"")]),
    "note": elf(BASE, [CODE, segment(0, b"note", kind=4, flags=4)]),
    "overlapping": elf(BASE, [CODE, segment(BASE + 4, b"data", flags=6)]),
    "touching": elf(BASE, [CODE, segment(BASE + 9, b"data", flags=6)]),
    "outside": elf(BASE - 1, [segment(BASE - 1, b"\xf4\xf4")]),
    "control_area": elf(BASE, [segment(BASE, b"\xf4", 0x33001)]),
    "to_the_control_area": elf(BASE, [segment(BASE, b"\xf4", 0x33000)]),
    "wrapping": elf(BASE, [CODE, segment(BASE + 64, b"", 2**64 - BASE - 32)]),
    "entry_in_data": elf(BASE + 0x100, [CODE, DATA]),
    "dynamic": elf(BASE, [CODE, segment(0, b"", kind=2)]),
    "interpreter": elf(BASE, [CODE, segment(0, b"/lib\0", kind=3)]),
    "shared_object": elf(BASE, [CODE], type=3),
    "headers_behind": elf(BASE, [CODE], headers=1000),
    "flat": b"\xf4\xeb\xfd",
}

CORPUS.mkdir(exist_ok=True)
for name, content in FILES.items():
    (CORPUS / f"{name}.bin").write_bytes(content)
print(f"{len(FILES)} files, {sum(map(len, FILES.values()))} bytes in {CORPUS}")
