# SPDX-License-Identifier: BSL-1.0
"""Makes small cores, good ones and bad ones, and the program that they are of."""
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools/lib"))

import handover  # noqa: E402
import vmcore  # noqa: E402
from vmcore import HEADER, NT_PRSTATUS, PAGE, PROGRAM_HEADER, PT_NOTE, Note, Segment, header_of, prstatus_of, up  # noqa: E402

SOURCE = r"""
long machine = 42;
__asm__(".text\n.globl inner, outer, enter_high_half\n"
  ".type inner, @function\ninner:\n\t.cfi_startproc\n\tnop\n\tret\n\t.cfi_endproc\n\t.size inner, . - inner\n"
  ".type outer, @function\nouter:\n\t.cfi_startproc\n\tcall inner\n\tret\n\t.cfi_endproc\n\t.size outer, . - outer\n"
  ".type enter_high_half, @function\nenter_high_half:\n\t.cfi_startproc\n\t.cfi_undefined rip\n\tcall outer\n\thlt\n"
  "\t.cfi_endproc\n\t.size enter_high_half, . - enter_high_half\n");
"""
RIP, RSP = handover.REGISTERS.index("rip"), handover.REGISTERS.index("rsp")
STACK, SLIDE_OF_PHYSICAL = 0x70_0000, 0x10_0000  # virtual; what a physical address has more


def handover_bytes(crashed=1, cpus=(1, 0), sealed=True, core=(0, 0, 0), build_id=b"", slide=0, saved=None,
                   hardware_ids=None, ram=(), **fields):
    """The descriptor of our note. core: (valid bytes, state, problem). saved: {cpu: 21 registers}; hardware_ids: {cpu: its};
    ram: ((physical, bytes), ...)"""
    values = dict.fromkeys((name for name, _ in handover.FIELDS), 0)
    capacity = len(cpus) + 1
    values |= {"magic": handover.MAGIC, "version": handover.VERSION, "machine": handover.MACHINE,
               "bytes": handover.HEADER_BYTES + capacity * handover.CPU_BYTES, "header_bytes": handover.HEADER_BYTES,
               "cpu_entry_bytes": handover.CPU_BYTES, "cpu_capacity": capacity, "cpu_count": len(cpus),
               "crashing_cpu": crashed, "build_id_bytes": len(build_id), "slide": slide, "ticks_per_second": 10**9,
               "panic_ticks": 10**9, "jump_ticks": 10**9 + 25 * 10**6, "ram_count": len(ram), **fields}
    out = bytearray(values["bytes"])
    handover.HEADER.pack_into(out, 0, *values.values())
    out[224:224 + len(build_id)] = build_id
    struct.pack_into(f"<{2 * len(ram)}Q", out, 256, *(number for each in ram for number in each))
    for i, cpu in enumerate(cpus):
        at = handover.HEADER_BYTES + i * handover.CPU_BYTES
        flags = handover.CONTROL_VALID | (handover.CRASHING if cpu == crashed else 0)
        registers = (saved or {}).get(cpu)
        flags |= handover.REGISTERS_VALID if registers else 0
        state = handover.STATES.index("running" if cpu == crashed else "by nmi" if registers or saved is None else "silent")
        struct.pack_into("<IIII", out, at, cpu, state, flags, (hardware_ids or {}).get(cpu, cpu))
        struct.pack_into("<21Q", out, at + 16, *(registers or [0] * 21))
        struct.pack_into("<8Q", out, at + 184, 0x80000011, 0, 0x1000, 0x20, 0, 0, 0, 0xfee00000)
        message = f"message of {cpu}".encode()
        out[at + 248:at + 248 + len(message)] = message
    if sealed:
        struct.pack_into("<Q", out, handover.SEAL_AT, handover.seal_of(bytes(out)))
    struct.pack_into("<QII", out, handover.SEAL_AT + 8, *core)
    return bytes(out)


@dataclass(frozen=True)
class Made:
    """The program, and what is where in it."""
    folder: Path
    kernel: Path
    symbols: dict
    image: tuple  # vmcore.Segment of the file: its PT_LOADs
    build_id: bytes

    @staticmethod
    def of_folder(folder):
        source, kernel = folder / "program.c", folder / "program.elf"
        source.write_text(SOURCE, encoding="utf-8")
        command = ("gcc", "-g", "-O1", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
                   "-fno-asynchronous-unwind-tables", "-Wl,-Ttext=0x400000,-Tdata=0x600000,--build-id=sha1,-e,enter_high_half",
                   str(source), "-o", str(kernel))
        subprocess.run(command, check=True, timeout=60)
        listed = subprocess.run(("nm", str(kernel)), check=True, capture_output=True, text=True, timeout=60).stdout
        symbols = {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]+) \w (\w+)$", listed, re.MULTILINE)}
        data = kernel.read_bytes()
        at, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
        rows = [PROGRAM_HEADER.unpack_from(data, at + i * PROGRAM_HEADER.size) for i in range(count)]
        image = tuple(Segment(v, p, o, b, m, f) for kind, f, o, v, p, b, m, _ in rows if kind == vmcore.PT_LOAD)
        note = data.index(b"GNU\0", struct.calcsize("<16s")) + 4
        return Made(folder, kernel, symbols, image, data[note:note + 20])

    def registers(self, rip=None, stack=STACK):
        words = [0] * 27
        words[RIP], words[RSP] = self.symbols["inner"] if rip is None else rip, stack
        return words

    def memory(self, slide=0, variable=None, stack=None, without_stack=False, holds=()):
        """[(virtual address, bytes)]"""
        data, out = self.kernel.read_bytes(), []
        for s in self.image:
            out.append((s.virtual + slide, bytearray(data[s.offset:s.offset + s.bytes])))
            at = self.symbols["machine"] - s.virtual
            if variable is not None and 0 <= at < s.bytes:
                out[-1][1][at:at + 8] = variable
        out += [(virtual, bytearray(data)) for virtual, data in holds]
        if not without_stack:
            calls = (self.symbols["outer"] + 5 + slide, self.symbols["enter_high_half"] + 5 + slide) if stack is None else stack
            out.append((STACK, bytearray(struct.pack(f"<{len(calls)}Q", *calls).ljust(256, b"\0"))))
        return out

    def core(self, threads=(1, 0), handover="good", extra=(), behind=b"", cut=0, cut_to=None, rip=None, slide=0,
             prstatus_bytes=None, name="core", qemu=False, patch=(0, b""), **memory):
        """Writes a core and returns its path. `threads`: CPUs, by the order of their notes; `extra`: further notes;
        `cut`: bytes that its end lacks; `patch`: (offset, bytes) put over it; `qemu`: as dump-guest-memory
        would, with notes of its own."""
        notes = [] if handover is None else [Note("LASTCPU", 1, 0, handover_bytes() if handover == "good" else handover)]
        notes += [Note(n, kind, 0, data) for n, kind, data in extra]
        words = self.registers(rip)
        words[RIP] += slide if rip is None else 0
        for cpu in threads:
            notes.append(Note("CORE", NT_PRSTATUS, 0, prstatus_of(cpu + 1, words)[:prstatus_bytes]))
        notes += [Note("QEMU", 0, 0, struct.pack("<II", 1, 440) + bytes([cpu]) * 432) for cpu in threads] if qemu else []
        path = self.write(notes, self.memory(slide, **memory), behind, cut, cut_to, name)
        at, patched = patch
        data = path.read_bytes()
        path.write_bytes(data[:at] + patched + data[at + len(patched):])
        return path

    def write(self, notes, memory, behind=b"", cut=0, cut_to=None, name="core"):
        count = 1 + len(memory)
        notes_at = up(HEADER.size + count * PROGRAM_HEADER.size - 4, 8) + 4
        note_bytes = b"".join(n.row() for n in notes)
        offset = up(notes_at + len(note_bytes), PAGE)
        rows, parts = [PROGRAM_HEADER.pack(PT_NOTE, 4, notes_at, 0, 0, len(note_bytes), len(note_bytes), 4)], []
        for virtual, data in memory:
            rows.append(Segment(virtual, virtual + SLIDE_OF_PHYSICAL, offset, len(data), len(data)).row())
            parts.append(bytes(data).ljust(up(len(data), PAGE), b"\0"))
            offset += len(parts[-1])
        head = (header_of(62, count) + b"".join(rows)).ljust(notes_at, b"\0") + note_bytes
        out = head.ljust(up(len(head), PAGE), b"\0") + b"".join(parts)
        out = (out if cut_to is None else out[:cut_to]) + behind
        path = self.folder / name
        path.write_bytes(out[:len(out) - cut] if cut else out)
        return path
