#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Writes the handmade part of each target's corpus: one small file for each thing that is treated in its own way."""
import pathlib
import struct

BASE = 0x4000000  # the region of tests/unit/x86_64/reserved_memory.hpp
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


def pie(relocations, more_tags=(), at=0x40, table=None, segments=(), **changed):
    """ET_DYN, linked at 0x1000: code, then at `at` behind it what PT_DYNAMIC names, and the relocations."""
    tags = [(7, 0x1000 + at + 16 * (4 + len(more_tags))), (8, 24 * len(relocations)), (9, 24), *more_tags, (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in (table or tags))
    content = b"".join(struct.pack("<QQQ", *r) for r in relocations)
    code = segment(0x1000, b"\xf4\xeb\xfd".ljust(at, b"\0") + dynamic + content, 0x400, flags=7)
    return elf(0x1000, [code, segment(0x1000 + at, dynamic, kind=2, flags=6), *segments], type=3, **changed)


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
    "control_area": elf(BASE, [segment(BASE, b"\xf4", 0x31001)]),
    "to_the_control_area": elf(BASE, [segment(BASE, b"\xf4", 0x31000)]),
    "wrapping": elf(BASE, [CODE, segment(BASE + 64, b"", 2**64 - BASE - 32)]),
    "entry_in_data": elf(BASE + 0x100, [CODE, DATA]),
    "dynamic": elf(BASE, [CODE, segment(0, b"", kind=2)]),
    "interpreter": elf(BASE, [CODE, segment(0, b"/lib\0", kind=3)]),
    "shared_object": elf(BASE, [CODE], type=3),
    "headers_behind": elf(BASE, [CODE], headers=1000),
    "pie": pie([(0x1010, 8, 0x1000), (0x1300, 8, 0x1010)]),
    "pie_without_relocations": pie([]),
    "pie_without_a_table": elf(0x1000, [segment(0x1000, b"\xf4\xeb\xfd")], type=3),
    "pie_aligned": pie([(0x1018, 8, 0)], segments=[segment(0x4400, b"data", 64, flags=6, align=0x2000)]),
    "pie_with_an_empty_relocation": pie([(0, 0, 0), (0x1018, 8, 1 << 63)]),
    "pie_with_a_symbol": pie([(0x1018, 1 << 32 | 1, 0)]),
    "pie_relocated_outside": pie([(0x13f9, 8, 0)]),
    "pie_relocated_at_the_end": pie([(0x13f8, 8, 0)]),
    "pie_with_a_library": pie([], [(1, 1)]),
    "pie_with_packed_relocations": pie([], [(36, 0x1000), (35, 8), (37, 8)]),
    "pie_with_a_short_table": pie([(0x1018, 8, 0)], table=[(7, 0x1090), (8, 25), (9, 24), (0, 0)]),
    "pie_that_wraps": pie([], segments=[segment(2**64 - 0x1000, b"data", 64, flags=6)]),
    "pie_that_wraps_into_the_region": pie([], segments=[segment(2**64 - 0x1000, b"data", 64, flags=6),
                                                        segment(0x4400, b"data", 64, flags=6, align=0x2000)]),
    "pie_too_large": pie([], segments=[segment(0x8000, b"", 0x40000, flags=6)]),
    "flat": b"\xf4\xeb\xfd",
}


REGION, MAP = 64 << 20, 128 << 20
TEXT = 128


def handover(cpus=1, seal=0, ram=((0, 0x9F000), (1 << 20, 127 << 20)), text=b"why", **changed):
    """Version 2, with room for two CPUs."""
    entry = struct.pack("<IIII", 0, 1, 3, 16) + bytes(168 + 64) + text.ljust(TEXT, b"\0") + bytes(2 * TEXT)
    room = 1280 + 2 * len(entry)
    field = {"magic": b"lcpuhov2", "version": 2, "machine": 62, "bytes": room, "header": 1280, "entry": len(entry),
             "core": REGION + 0x1000, "core_bytes": 0x2000, "ram_count": len(ram), "capacity": 2} | changed
    head = field["magic"] + struct.pack("<IIQII", field["version"], field["machine"], field["bytes"], field["header"],
                                        field["entry"]) + struct.pack("<QQII", seal, 0, 0, 0)
    head += struct.pack("<QQQQII", 1, 2, 3, 0x5000, 4, 0)
    head += struct.pack("<QQQQQQQQ", 0, MAP, REGION, 1 << 20, REGION, 0, field["core"], field["core_bytes"])
    head += struct.pack("<QQQQQ", 0xF0000, 0, 0xFFFF800000000000, 0, MAP)
    head += struct.pack("<IIIIII", 20, field["ram_count"], field["capacity"], cpus, 0, 0) + bytes(32)
    head += b"".join(struct.pack("<QQ", *r) for r in ram)
    return head.ljust(1280, b"\0") + entry * cpus + bytes(len(entry) * (2 - cpus))


def core(loads, notes_at=None, notes=20 + 1280, size=4096, **changed):
    """The beginning of a core with one PT_LOAD for each (offset, physical, bytes)."""
    field = {"type": 4, "machine": 62, "count": 1 + len(loads)} | changed
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", field["type"], field["machine"], 1, 0, 64, 0, 0,
                                                     64, 56, field["count"], 0, 0, 0)
    at = 64 + 56 * (1 + len(loads)) + 4 if notes_at is None else notes_at
    head += struct.pack("<IIQQQQQQ", 4, 4, at, 0, 0, notes, 0, 4)
    for offset, physical, length, *virtual in loads:
        address = virtual[0] if virtual else 0xFFFF800000000000 + physical
        head += struct.pack("<IIQQQQQQ", 1, 6, offset, address, physical, length, length, 4096)
    return head.ljust(size, b"\0")


def ranges(*of):
    return struct.pack("<II", len(of), 0) + b"".join(struct.pack("<QQ", *r) for r in of).ljust(1024, b"\0")


def facts(ram=(), left_out=(), image=(), direct=(0xFFFF800000000000, 0, 1 << 32), region=(REGION, 1 << 20)):
    segments = b"".join(struct.pack("<QQQII", *s, 5, 0) for s in image).ljust(256, b"\0")
    return (ranges(*ram) + ranges(*left_out) + struct.pack("<QQ", 0xF0000, 0) + struct.pack("<QQQ", *direct) +
            struct.pack("<II", len(image), 0) + segments + bytes(32) + struct.pack("<QQ", *region) +
            struct.pack("<II", 3, 0))


def old_memory(root, address, levels, tables, hole=15, frames=b""):
    """`tables` is a list of pages, each a dict of entries; `frames` is the page behind them."""
    pages = b"".join(b"".join(struct.pack("<Q", page.get(i, 0)) for i in range(512)) for page in tables)
    return struct.pack("<QQII", root, address, levels % 4, hole) + pages + frames.ljust(4096, b"\0")


KERNEL = 0xFFFF800000000000
IMAGE = (0xFFFFFFFF80200000, 2 << 20, 0x12345)
AT = KERNEL + (1 << 30) + (2 << 21) + (3 << 12)
TABLES = [{256: 0x0003, 1: 0x0003, 2: 0x0003, 3: 0x1003, 4: 0x0003}]  # one page as the table of every level
FRAMES = struct.pack("<QQQQ", AT + 16, 7, 0, 9)
HANDOVERS = {
    "cut_off": handover(), "nobody": handover(cpus=0), "full": handover(cpus=2), "damaged": handover(seal=1),
    "version_1": handover(version=1), "of_another_machine": handover(machine=243), "large": handover(capacity=2**31),
    "endless": handover(text=b"a" * TEXT), "memory_that_wraps": handover(ram=((2**64 - 8, 16),)),
    "core_outside": handover(core=REGION - 1), "many_ranges": handover(ram_count=65),
}
CORES = {
    "notes_only": core([]), "memory": core([(4096, 0, 0x9F000), (0xA0000, 1 << 20, 1 << 20)]),
    "image": core([(4096, 1 << 20, 1 << 20), (0x2000, 0x101000, 0x1000), (0x101000, 4 << 20, 4096)]),
    "gap": core([(8192, 0, 4096)]), "above": core([(4096, MAP - 4096, 8192)]), "no_core": core([], type=2),
    "notes_outside": core([], notes_at=2996), "short_notes": core([], notes=100), "many": core([], count=200),
}
FACTS = {
    "nothing": facts(), "memory": facts(ram=((1 << 20, 255 << 20), (0, 0x9FC00)), image=(IMAGE,)),
    "overlapping": facts(ram=((0, 1 << 20), (4096, 1 << 21), (1 << 19, 100)), left_out=((4097, 1), (1 << 20, 4096))),
    "image_apart": facts(ram=((0, 4096),), image=(IMAGE, (0xFFFFFFFF80300800, (3 << 20) + 0x800, 1))),
    "image_in_region": facts(image=((0xFFFFFFFF84000000, REGION, 1),)), "wrapping": facts(ram=((2**64 - 8, 16),)),
    "small_map": facts(ram=((0, 1 << 30),), direct=(KERNEL, 1 << 20, 1 << 20)),
}
MEMORIES = {
    "four_levels": old_memory(0, AT, 4, TABLES, frames=FRAMES), "into_tables": old_memory(0, AT + 4096, 4, TABLES),
    "not_mapped": old_memory(0, AT + 8192, 4, TABLES), "not_aligned": old_memory(0, AT + 3, 4, TABLES),
    "over_a_page": old_memory(0, AT + 4000, 4, TABLES, frames=FRAMES),
    "five_levels": old_memory(0, AT, 5, [TABLES[0] | {511: 0x0003}], frames=FRAMES),
    "large": old_memory(0, AT, 4, [TABLES[0] | {2: 0x0083}]), "huge": old_memory(0, AT, 4, [TABLES[0] | {1: 0x0083}]),
    "into_a_hole": old_memory(0, AT, 4, TABLES, hole=1), "tables_in_a_hole": old_memory(0, AT, 4, TABLES, hole=0),
    "circle": old_memory(0, AT, 4, TABLES, frames=struct.pack("<QQ", AT, 7)),
}

PAGE = 4096
STACK = 0xFFFF810000000000 + (2 << 30) + (2 << 21) + 5 * PAGE + 0x128  # by the table in the second page, for each level


def small(loads, stack=STACK, ram=((0, 16 * PAGE),)):
    """What a machine of 16 pages has left: a core, and a handover with one CPU whose stack pointer is `stack`."""
    left = bytearray(handover(ram=ram))
    struct.pack_into("<Q", left, 1280 + 16 + 19 * 8, stack)
    begin = core(loads, notes=20 + len(left))
    return begin[:64 + 56 * (1 + len(loads)) + 4 + 20] + bytes(left)


DATA_AT, FILE_AT = 0xFFFFFFFF80000000, 4 * PAGE
SMALL = {
    "data": small([(FILE_AT, 0, 12 * PAGE), (FILE_AT + 3 * PAGE, 3 * PAGE, 2 * PAGE, DATA_AT)]),
    "data_apart": small([(FILE_AT, 3 * PAGE, 2 * PAGE, DATA_AT)]),
    "data_twice": small([(FILE_AT, 3 * PAGE, PAGE, DATA_AT), (FILE_AT, 3 * PAGE, PAGE, DATA_AT + PAGE)]),
    "nothing": small([], stack=0), "stack_of_a_user": small([], stack=4096), "stack_at_the_end": small([], stack=2**64 - 8),
    "memory_with_holes": small([(FILE_AT, 0, 12 * PAGE, DATA_AT)],
                               ram=((0, PAGE), (2 * PAGE, PAGE), (5 * PAGE, 100), (6 * PAGE, 4 * PAGE))),
}

# What the crash reporter of processes reads.
LIB = b"7f0000000000-7f0000004000 r--p 00000000 fe:01 77       /usr/lib/a b.so\n"
MAPS = {
    "library": LIB + LIB.replace(b"0000-7f0000004", b"4000-7f0000009").replace(b"r--p 00000000", b"r-xp 00004000"),
    "details": LIB + b"Size: 16 kB\nAnonymous:       8 kB\nVmFlags: rd mr mw me dd sd\n",
    "names": b"1000-2000 rw-p 0 0:0 0\n2000-3000 rw-s 0 0:1 9 /dev/zero (deleted)\n3000-4000 r--p 0 0:0 0 [vvar]\n",
    "largest": b"ffffffffff600000-ffffffffffffffff --xp ffffffffffffffff ff:ff 18446744073709551615 [vsyscall]\n",
    "many": b"1-2 rwxp 0 0:0 1 n\n" * 20, "long_names": (b"1-2 rwxp 0 0:0 1 " + b"n" * 200 + b"\n") * 4,
    "no_end": b"1-2 rwx", "backwards": b"2000-1000 rw-p 0 0:0 0\n",
}


def symbols(at, table, names=b"\0first\0se\x1bcond\0", kind=2, **changed):
    """An address, and an ELF file with one table of symbols: (name, info, section, value, size) each."""
    content = b"".join(struct.pack("<IBBHQQ", name, info, 0, section, value, bytes_)
                       for name, info, section, value, bytes_ in table)
    field = {"sections": 64, "count": 3, "size": 64, "link": 2, "strings": 256 + len(content)} | changed
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, field["sections"], 0, 64, 56, 0,
                                                     field["size"], field["count"], 0)
    rows = [(0, 0, 0, 0), (kind, 256, len(content), field["link"]), (3, field["strings"], len(names), 0)]
    sections = b"".join(struct.pack("<IIQQQQIIQQ", 0, k, 0, 0, offset, bytes_, link, 0, 8, 24)
                        for k, offset, bytes_, link in rows)
    return struct.pack("<Q", at) + (head + sections).ljust(256, b"\0") + content + names


TWO = [(1, 2, 1, 0x1000, 0x20), (7, 0x12, 1, 0x1020, 0x40)]
SYMBOLS = {
    "first": symbols(0x1000, TWO), "second": symbols(0x105F, TWO), "neither": symbols(0x1060, TWO),
    "dynamic": symbols(0x1000, TWO, kind=11), "data": symbols(0x1000, [(1, 1, 1, 0x1000, 8)]),
    "no_strings": symbols(0x1000, TWO, link=9), "names_outside": symbols(0x1000, TWO, strings=2**63),
    "sections_outside": symbols(0x1000, TWO, sections=2**64 - 32), "most_sections": symbols(0x1000, TWO, count=0xFFFF),
    "ends_at_the_top": symbols(2**64 - 1, [(1, 2, 1, 2**64 - 16, 2**64 - 1)]),
}


def frames(program, pc=0x101, letters=b"zR", data=b"\x1b", first=b"\x0c\7\x08\x90\1", sp=0, fp=0, rows=2):
    """.eh_frame_hdr at 0, a CIE and an FDE behind it, for a function of 32 bytes at 0x100."""
    cie_at = 12 + 8 * rows
    body = struct.pack("<I", 0) + b"\1" + letters + b"\0\1\x78\x10" + bytes([len(data)]) + data + first
    body = body.ljust(-(-len(body) // 4) * 4, b"\0")
    fde_at = cie_at + 4 + len(body)
    fde = struct.pack("<IiI", fde_at + 4 - cie_at, 0x100 - (fde_at + 8), 0x20) + b"\0" + program
    fde = fde.ljust(-(-len(fde) // 4) * 4, b"\0")
    table = b"".join(struct.pack("<ii", 0x100 * (i + 1), fde_at) for i in range(rows))
    header = b"\1\x1b\3\x3b" + struct.pack("<iI", cie_at - 4, rows) + table
    frame = header + struct.pack("<I", len(body)) + body + struct.pack("<I", len(fde)) + fde
    return struct.pack("<IIQQ", pc, fde_at, sp, fp) + frame + bytes(64)


FRAMES = {
    "push": frames(b"\x41\x0e\x10\x86\2\x43\x0d\6"), "at_the_entry": frames(b"\x41\x0e\x10", pc=0x100),
    "another_row": frames(b"", pc=0x205), "behind": frames(b"", pc=0x120), "one_row": frames(b"\x0a\x0b", rows=1),
    "signal": frames(b"", letters=b"zRS", first=b"\x0f\3\x77\x00\x06\x10\x10\2\x77\x08"),
    "personality": frames(b"", letters=b"zPLR", data=b"\x9b\0\0\0\0\x1b\x1b"),
    "expressions": frames(b"\x0f\7\x77\x08\x80\0\x3f\x1a\x22\x16\6\2\x77\x10"),
    "registers": frames(b"\x09\3\6\x07\x0c\x08\x0d\x05\3\4\x11\x0e\x7e\x14\x0f\1\x15\x0f\x7f\xc3"),
    "far_stack": frames(b"\x12\7\x7f", sp=2**64 - 0x8000_0000_0000), "remembered": frames(b"\x0a" * 5),
    "around_the_end": frames(b"\x16\6\2\x30\x1c\x10\3\3\x08\3\x1c\x0f\2\x33\x1c", sp=64),
    "outside": frames(b"\x16\6\1\x30\x10\3\1\x33"), "long_skip": frames(b"\x0f\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
}

for target, files in (("crash_loader", FILES), ("handover", HANDOVERS), ("core", CORES), ("core_builder", FACTS),
                      ("old_memory", MEMORIES), ("small_core", SMALL),
                      ("process_map", MAPS), ("symbols", SYMBOLS), ("frames", FRAMES)):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.bin").write_bytes(content)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes in {folder}")
