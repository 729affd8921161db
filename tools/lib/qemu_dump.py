# SPDX-License-Identifier: BSL-1.0
"""Makes a plain core of what QEMU's dump-guest-memory has written.

QEMU's own notes go: drgn refuses a dump that has them and is not Linux. What they hold of each CPU beyond its registers is
kept in notes of our own. Where the dead kernel had started a crash kernel, QEMU's registers are those of the crash kernel;
then those that the dead kernel has saved take their place, and its handover is in the core.
"""
import os
import struct
from dataclasses import replace

import handover
from vmcore import (HEADER, NT_PRSTATUS, PAGE, PROGRAM_HEADER, PRSTATUS_BYTES, PT_LOAD, PT_NOTE, BadCore, Core, Note, Segment,
                    header_of, pid_of, prstatus_of, registers_of, up)

CPU_NOTE_TYPE = 0x554d4551  # "QEMU"; of a "LASTCPU" note: QEMU's QEMUCPUState of one CPU, in the order of the CPUs
X86_64 = 62


def convert(dump, to, blocks=()):
    """Writes the core `to`; returns what it has found, as sentences. BadCore: why the dump is refused. `blocks`: of memory,
    [(physical address, bytes)] in the order of the dump, where they are known."""
    with Core(dump) as core:
        check(core)
        core.segments = [piece for s in core.segments for piece in whole(s, blocks)]
        notes, said, more = notes_of(core)
        write(core, notes, more, to)
        cut = [s for s in core.segments if s.bytes < s.memory_bytes and not blocks]
    if cut:
        said.append(f"what is mapped at {cut[0].virtual:#x} ends behind {cut[0].bytes:#x} of {cut[0].memory_bytes:#x} bytes, "
                    "since a block of QEMU's memory ends there: let tools/qemu-vmcore run the guest, or give it -vga none")
    return said


def whole(segment, blocks):
    """A mapping that goes on behind the end of a block of memory, as at 640 KiB in front of VGA's: QEMU has cut it off
    there. In pieces, without what is no memory."""
    if segment.bytes == segment.memory_bytes:
        return [segment]
    ranges = [range(physical, physical + count) for physical, count in blocks]
    places = [sum(map(len, ranges[:i])) for i in range(len(ranges))]  # of each block in the dump
    here = next((i for i, block in enumerate(ranges) if segment.physical in block), None)
    if here is None:
        return [segment]
    moved = segment.offset - places[here] - (segment.physical - ranges[here].start)
    out = []
    for block, place in zip(ranges, places):
        first, end = max(block.start, segment.physical), min(block.stop, segment.physical + segment.memory_bytes)
        if first < end:
            out.append(Segment(segment.virtual + first - segment.physical, first, moved + place + first - block.start,
                               end - first, end - first, segment.flags))
    return out


def check(core):
    if core.machine != X86_64:
        raise BadCore(f"{core.path} is of e_machine {core.machine}; only x86-64 ({X86_64}) is known here")
    if not core.segments:
        raise BadCore(f"{core.path} has no memory")
    missing = core.missing()
    if missing:
        raise BadCore(missing)
    if not any(s.virtual for s in core.segments):
        raise BadCore(f"{core.path} was made without \"paging\": true: it has physical addresses alone")
    statuses = core.prstatuses()
    of_qemu = [n for n in core.notes if n.name == "QEMU"]
    if not of_qemu:
        raise BadCore(f"{core.path} is no dump of QEMU's: it has no note named QEMU")
    if len(statuses) != len(of_qemu):
        raise BadCore(f"{core.path} is damaged: registers of {len(statuses)} CPUs, and QEMU's notes of {len(of_qemu)}")
    pids = [pid_of(n.bytes) for n in statuses if len(n.bytes) == PRSTATUS_BYTES]
    if sorted(pids) != list(range(1, len(statuses) + 1)):
        raise BadCore(f"{core.path} is damaged: its CPUs are {pids}, not 1 to {len(statuses)}")


def notes_of(core):
    """(the notes of the new core, sentences, segments that it needs beside QEMU's)"""
    of_qemu = [Note(handover.NOTE_NAME, CPU_NOTE_TYPE, 0, n.bytes) for n in core.notes if n.name == "QEMU"]
    statuses = core.prstatuses()
    found, raw = find_handover(core)
    if found is None:
        return of_qemu + statuses, ["no handover: the registers are as QEMU has stopped the CPUs"], []
    ours = Note(handover.NOTE_NAME, handover.NOTE_TYPE, 0, raw)
    said = [f"the handover of {len(found.cpus)} CPUs is in it"]
    if not found.seal_is_right:
        said.append(found.seal_in_words() + "; the registers are as QEMU has stopped the CPUs")
        return [ours, *of_qemu, *crashed_first(found, statuses)], said, []
    kept, silent, lost = saved_registers(found, statuses)
    said.append("the registers are as the dead kernel has saved them")
    if silent:
        said.append(f"of {', '.join(silent)} there were none: as QEMU has stopped it")
    said += [f"{name} is not in it: it did not answer, and which of QEMU's CPUs it was is not known" for name in lost]
    return [ours, *of_qemu, *kept], said, segments_left(core, found)


def segments_left(core, found):
    """What the dead kernel has said of its memory, where QEMU does not find it at these addresses: the page tables of a
    CPU that runs the crash kernel are the crash kernel's, and there may be no other CPU."""
    count = struct.unpack("<H", core.read_physical(found.core_physical + 56, 2) or b"\0\0")[0]
    rows = core.read_physical(found.core_physical + HEADER.size, count * PROGRAM_HEADER.size) or b""
    out, pieces = [], extents(core)
    for kind, flags, _, virtual, physical, bytes_, _, _ in PROGRAM_HEADER.iter_unpack(rows):
        if kind != PT_LOAD or all(maps(core, virtual + at, physical + at) for at in (0, bytes_ - 1)):
            continue
        offset = next((e.offset + physical - e.physical for e in pieces
                       if e.physical <= physical and physical + bytes_ <= e.physical + e.bytes), None)
        if offset is not None:
            out.append(Segment(virtual, physical, offset, bytes_, bytes_, flags))
    return out


def maps(core, virtual, physical):
    return any(s.virtual <= virtual < s.virtual + s.bytes and virtual - s.virtual == physical - s.physical
               for s in core.segments)


def extents(core):
    """The dump's memory by physical addresses, in pieces as long as possible."""
    out = []
    for s in sorted(core.segments, key=lambda s: s.physical):
        last = out[-1] if out else None
        if last and s.physical <= last.physical + last.bytes and s.physical - last.physical == s.offset - last.offset:
            end = max(last.physical + last.bytes, s.physical + s.bytes)
            out[-1] = replace(last, bytes=end - last.physical)
        elif s.bytes:
            out.append(s)
    return out


def qemu_index(cpu, count):
    """QEMU's number of a CPU, None if that is not known: it follows the APIC ids where those have no gaps."""
    return cpu.hardware_id if cpu.hardware_id < count else None


def has_no_gaps(found, count):
    return sorted(c.hardware_id for c in found.cpus) == list(range(count))


def saved_registers(found, statuses):
    """([NT_PRSTATUS...], [names of CPUs that did not answer and are as QEMU saw them], [names of those that are not there])"""
    out, silent, lost = [], [], []
    for i, cpu in enumerate(found.cpus):
        thread = handover.thread_of(cpu.number, i)
        if cpu.registers:
            out.append(Note("CORE", NT_PRSTATUS, 0, prstatus_of(thread, words_of(cpu))))
        elif has_no_gaps(found, len(statuses)):
            registers = registers_of(statuses[qemu_index(cpu, len(statuses))].bytes)
            out.append(Note("CORE", NT_PRSTATUS, 0, prstatus_of(thread, registers)))
            silent.append(cpu.name())
        else:
            lost.append(cpu.name())
    return out, silent, lost


def words_of(cpu):
    words = list(cpu.registers.values())
    words[handover.REGISTERS.index("error_code")] = (1 << 64) - 1  # orig_rax: this is no system call
    return [*words, cpu.control.get("fs_base", 0), cpu.control.get("gs_base", 0), 0, 0, 0, 0]


def crashed_first(found, statuses):
    """QEMU's registers by the numbers of the handover, who crashed first, if it is known who is who."""
    if not has_no_gaps(found, len(statuses)):
        return statuses
    out = []
    for i, cpu in enumerate(found.cpus):
        registers = registers_of(statuses[qemu_index(cpu, len(statuses))].bytes)
        out.append(Note("CORE", NT_PRSTATUS, 0, prstatus_of(handover.thread_of(cpu.number, i), registers)))
    return out


def find_handover(core):
    """(the handover of the last crash, its bytes) in the guest's memory, or (None, None). What was loaded and never used
    has no CPU in it; a copy elsewhere does not know where it lies."""
    with core.mapped() as memory:
        at = memory.find(handover.MAGIC)
        while at >= 0:
            physical = core.physical_of(at)
            found = handover_at(memory, at) if physical is not None else None
            if found is not None and found.cpus and found.core_physical <= physical < found.core_physical + found.core_header_bytes:
                return found, of_this_core(memory[at:at + found.bytes])
            at = memory.find(handover.MAGIC, at + 1)
    return None, None


def of_this_core(raw):
    """A handover that says nothing of another core, which the crash kernel may have written."""
    words = slice(handover.SEAL_AT + 8, handover.BEHIND_SEAL)  # the seal takes them for zeros
    return raw[:words.start] + bytes(words.stop - words.start) + raw[words.stop:]


def handover_at(memory, at):
    size = struct.unpack("<Q", memory[at + 16:at + 24])[0] if at + handover.HEADER_BYTES <= len(memory) else 0
    try:
        return handover.Handover(memory[at:at + min(size, 1 << 24)])
    except BadCore:
        return None


def write(core, notes, more, to):
    """The memory follows as it lies in the dump; only its offsets move. `more`: segments ahead of QEMU's."""
    segments = more + core.segments
    first = min(s.offset for s in core.segments if s.bytes)
    end = max(s.offset + s.bytes for s in core.segments)
    note_bytes = b"".join(n.row() for n in notes)
    count = 1 + len(segments)
    if count >= 0xffff:
        raise BadCore(f"{core.path} has {count} segments; a core's header counts 65534 at most")
    # The descriptor of the first note, behind 20 bytes, is aligned to 8.
    notes_at = up(HEADER.size + count * PROGRAM_HEADER.size - 4, 8) + 4
    moved = up(notes_at + len(note_bytes), PAGE) - first
    rows = [PROGRAM_HEADER.pack(PT_NOTE, 4, notes_at, 0, 0, len(note_bytes), len(note_bytes), 4)]
    rows += [replace(s, offset=s.offset + moved).row() for s in segments]
    with open(to, "wb") as out:
        out.write(header_of(core.machine, count) + b"".join(rows))
        out.seek(notes_at)
        out.write(note_bytes)
        out.flush()
        copy(core.file.fileno(), first, out.fileno(), first + moved, end - first)
        out.truncate(end + moved)


def copy(source, at, target, to, count):
    """Leaves holes where there are only zeros: most of a guest's memory."""
    chunk = 1 << 20
    zeros = bytes(chunk)
    for i in range(0, count, chunk):
        data = os.pread(source, min(chunk, count - i), at + i)
        if data != zeros[:len(data)]:
            view = memoryview(data)
            while view:
                written = os.pwrite(target, view, to + i + len(data) - len(view))
                view = view[written:]
