# SPDX-License-Identifier: BSL-1.0
"""Reads the handover of include/lastcpu/kexec/handover.hpp, version 2, of an x86-64 kernel: the descriptor of a core's note
"LASTCPU"."""
import struct
from dataclasses import dataclass

from vmcore import BadCore

NOTE_NAME, NOTE_TYPE = "LASTCPU", 1
MAGIC = b"lcpuhov2"
VERSION = 2
MACHINE = 62  # x86-64
HEADER_BYTES = 1280
CPU_BYTES = 16 + 168 + 64 + 3 * 128
SEAL_AT, BEHIND_SEAL = 32, 56  # what is written after the seal, and the seal itself
NO_CPU = NO_HARDWARE_ID = 0xffffffff
STATES = ("absent", "running", "parked", "by irq", "by nmi", "forced", "silent", "gone")
CORE_STATES = ("not written", "incomplete", "complete")
# core_problem, as the crash kernels of examples/ say it (crash_kernel/dump_problem.hpp); another one has its own.
PROBLEMS = ("nothing is wrong", "there is no virtio disk for it", "the firmware has given the disk's registers no address",
            "the disk's registers are above what can be mapped", "the disk does not take the features that this driver knows",
            "the disk's queue has a size that this driver can't use", "the disk is read-only", "the disk is too small",
            "the core's header in memory is damaged", "the disk reports an I/O error",
            "the disk answers what it was not asked", "the disk has not answered a request in time",
            "the disk is so slow that the whole dump ran out of time", "the crash kernel has faulted")
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi error_code rip cs rflags rsp ss").split()
CONTROL = "cr0 cr2 cr3 cr4 fs_base gs_base kernel_gs_base apic_base".split()
CRASHING, REGISTERS_VALID, CUT_SHORT, SHORTENED, CONTROL_VALID, BOOT_CPU = 1, 2, 4, 8, 16, 32
FIELDS = (("magic", "8s"), ("version", "I"), ("machine", "I"), ("bytes", "Q"), ("header_bytes", "I"),
          ("cpu_entry_bytes", "I"), ("seal", "Q"), ("core_valid_bytes", "Q"), ("core_state", "I"), ("core_problem", "I"),
          ("panic_ticks", "Q"), ("jump_ticks", "Q"), ("ticks_per_second", "Q"), ("page_tables", "Q"),
          ("page_table_levels", "I"), ("crashing_cpu", "I"), ("kernel_data", "Q"), ("map_bytes", "Q"),
          ("region_physical", "Q"), ("region_bytes", "Q"), ("free_physical", "Q"), ("free_bytes", "Q"),
          ("core_physical", "Q"), ("core_header_bytes", "Q"), ("rsdp", "Q"), ("slide", "Q"), ("direct_map_virtual", "Q"),
          ("direct_map_physical", "Q"), ("direct_map_bytes", "Q"), ("build_id_bytes", "I"), ("ram_count", "I"),
          ("cpu_capacity", "I"), ("cpu_count", "I"), ("cpus_left_out", "I"), ("core_sum", "I"))
HEADER = struct.Struct("<" + "".join(f for _, f in FIELDS))
assert HEADER.size == 224


@dataclass(frozen=True)
class Cpu:
    number: int  # NO_CPU: it had none
    state: int
    flags: int
    hardware_id: int
    registers: dict  # empty where none were saved
    control: dict    # likewise
    messages: dict   # {"said": , "said in NMI": , "said nested": }: those that are not empty

    def has(self, flag):
        return self.flags & flag != 0

    def state_name(self):
        return STATES[self.state] if self.state < len(STATES) else "?"

    def name(self):
        return "a cpu without a number" if self.number == NO_CPU else f"cpu {self.number}"

    def in_words(self):
        """What became of it: the name of its thread."""
        words = {"running": "ran", "by irq": "stopped by irq", "by nmi": "stopped by NMI"}
        state = self.state_name()
        return f"{self.name()} {'crashed' if self.has(CRASHING) else words.get(state, state)}"


class Handover:
    """Its fields by their names, `cpus`, `ram` as [(physical, bytes)] and `build_id`."""

    def __init__(self, data):
        if len(data) < HEADER_BYTES:
            raise BadCore(f"the handover has {len(data)} bytes, fewer than its header of {HEADER_BYTES}")
        for (name, _), value in zip(FIELDS, HEADER.unpack_from(data)):
            setattr(self, name, value)
        self._check(len(data))
        self.build_id = data[224:224 + self.build_id_bytes].hex()
        self.ram = list(struct.iter_unpack("<QQ", data[256:256 + 16 * self.ram_count]))
        self.cpus = [read_cpu(data, self.header_bytes + i * CPU_BYTES) for i in range(self.cpu_count)]
        self.seal_is_right = self.seal != 0 and seal_of(data[:self.bytes]) == self.seal

    def seal_in_words(self):
        """None where nothing is wrong."""
        if self.seal == 0:
            return "the handover is not sealed: a fault cut its last step off, or the crash kernel was not started"
        return None if self.seal_is_right else "the handover's seal is wrong: it was damaged after the jump"

    def core_in_words(self):
        """How far the core was written, None where it is complete or of another making."""
        if self.core_state != 1:
            return None
        problem = self.core_problem
        named = f": {PROBLEMS[problem]}" if 0 < problem < len(PROBLEMS) else ""
        return f"the core is incomplete: valid up to byte {self.core_valid_bytes} (problem {problem}{named})"

    def ram_outside_in_words(self):
        """What memory a core can't have, None where it can have all: it is addressed as in the direct map."""
        end = self.direct_map_physical + self.direct_map_bytes
        outside, seen = 0, 0
        for at, bytes_ in sorted(self.ram):
            first, last = max(at, seen), at + bytes_
            inside = max(0, min(last, end) - max(first, self.direct_map_physical))
            outside, seen = outside + max(0, last - first) - inside, max(seen, last)
        if outside == 0:
            return None
        return f"{-(-outside // 2**20):,} MiB of memory are outside the kernel's direct map, and in no core but QEMU's"

    def _check(self, size):
        if self.magic != MAGIC:
            raise BadCore(f"the handover does not begin with {MAGIC.decode()!r}")
        if self.version != VERSION:
            raise BadCore(f"the handover is of version {self.version}; this reads version {VERSION}")
        if self.machine != MACHINE:
            raise BadCore(f"the handover is of e_machine {self.machine}; this reads x86-64's ({MACHINE})")
        if self.header_bytes != HEADER_BYTES or self.cpu_entry_bytes != CPU_BYTES:
            raise BadCore(f"the handover has a header of {self.header_bytes} bytes and {self.cpu_entry_bytes} for a CPU; "
                          f"version {VERSION} has {HEADER_BYTES} and {CPU_BYTES}")
        if self.bytes != HEADER_BYTES + self.cpu_capacity * CPU_BYTES or self.bytes > size:
            raise BadCore(f"the handover says {self.bytes} bytes for {self.cpu_capacity} CPUs, and there are {size}")
        if self.cpu_count > self.cpu_capacity:
            raise BadCore(f"the handover has {self.cpu_count} CPUs and room for {self.cpu_capacity}")
        if self.ram_count > 64 or self.build_id_bytes > 32:
            raise BadCore(f"the handover has {self.ram_count} ranges of memory and {self.build_id_bytes} bytes of build id; "
                          "there is room for 64 and 32")


def read_cpu(data, at):
    number, state, flags, hardware_id = struct.unpack_from("<IIII", data, at)
    registers = struct.unpack_from("<21Q", data, at + 16)
    control = struct.unpack_from("<8Q", data, at + 184)
    texts = [data[a:a + 128].split(b"\0")[0].decode("utf-8", "replace") for a in range(at + 248, at + CPU_BYTES, 128)]
    messages = {how: text for how, text in zip(("said", "said in NMI", "said nested"), texts) if text}
    return Cpu(number, state, flags, hardware_id, dict(zip(REGISTERS, registers)) if flags & REGISTERS_VALID else {},
               dict(zip(CONTROL, control)) if flags & CONTROL_VALID else {}, messages)


def of_core(core):
    """The handover of an open core, None where it has no note of ours."""
    for note in core.notes:
        if note.name == NOTE_NAME and note.type == NOTE_TYPE:
            return Handover(note.bytes)
    return None


def headers_in_words(core, found):
    """Whether the beginning of an open core is what the dying kernel left, None where it is or where that is not known:
    only who writes it to a disk copies it byte for byte and says so; who lays it out anew says that."""
    note = next(n for n in core.notes if n.name == NOTE_NAME and n.type == NOTE_TYPE)
    if core.is_laid_out_anew or found.core_state == 0 or found.core_sum == 0 or found.core_header_bytes > 1 << 26:
        return None
    beginning, behind = core.at(0, found.core_header_bytes, "its beginning"), note.at + found.bytes
    if found.core_sum == xxh64(beginning[:note.at] + beginning[behind:]) & 0xffffffff:
        return None
    return "the core's headers are not what the dying kernel left: something has written to them"


def thread_of(number, i):
    """The thread number that stands for a CPU; `i`: its place in the handover. As thread_of() in core_notes.hpp."""
    return number + 1 if number < 1_000_000 else 1_000_001 + i


def seal_of(data):
    """What handover::seal must be. Never 0."""
    return xxh64(data[:SEAL_AT] + bytes(BEHIND_SEAL - SEAL_AT) + data[BEHIND_SEAL:]) or 1


MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def xxh64(data):
    """XXH64 with seed 0."""
    def rotated(x, n):
        return (x << n | x >> 64 - n) & MASK

    def mixed(lane, word):
        return rotated((lane + word * P2) & MASK, 31) * P1 & MASK

    at, length = 0, len(data)
    if length >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        for words in struct.iter_unpack("<4Q", data[:length // 32 * 32]):
            lanes = [mixed(lane, word) for lane, word in zip(lanes, words)]
        at = length // 32 * 32
        out = sum(rotated(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            out = ((out ^ mixed(0, lane)) * P1 + P4) & MASK
    else:
        out = P5
    out = (out + length) & MASK
    for (word,) in struct.iter_unpack("<Q", data[at:at + (length - at) // 8 * 8]):
        out = (rotated(out ^ mixed(0, word), 27) * P1 + P4) & MASK
    at += (length - at) // 8 * 8
    if length - at >= 4:
        out = (rotated(out ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        out = rotated(out ^ byte * P5 & MASK, 11) * P1 & MASK
    for shift, factor in ((33, P2), (29, P3)):
        out = (out ^ out >> shift) * factor & MASK
    return out ^ out >> 32
