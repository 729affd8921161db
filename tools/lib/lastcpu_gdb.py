# SPDX-License-Identifier: BSL-1.0
"""The command `lastcpu` and the threads' names, inside gdb: tools/gdb-vmcore loads this.

By hand: (gdb) source tools/lib/lastcpu_gdb.py, behind core-file and symbol-file. What became of each CPU stands in the core's
note, or, where the kernel had no crash kernel to write it for, in its crash_domain, which is read by the kernel's symbols.
"""
import struct
import sys
from dataclasses import replace
from pathlib import Path

import gdb

sys.path.insert(0, str(Path(__file__).resolve().parent))

import handover  # noqa: E402
import vmcore  # noqa: E402
from qemu_dump import CPU_NOTE_TYPE  # noqa: E402

DOMAINS = ("machine", "'lastcpu::c::(anonymous namespace)::machine'")  # where the examples have it
CONTEXTS = ("said", "said in NMI", "said nested")


class Unknown(Exception):
    """Why nothing can be said; a sentence."""


class Report:
    """What became of each CPU, from whichever source: `cpus` as handover.Cpu, `source` in words, `lines` on all."""

    def __init__(self, source, cpus, lines):
        self.source, self.cpus, self.lines = source, cpus, lines

    @staticmethod
    def of_handover(found):
        return Report("the core's note", found.cpus, [*lines_of(found)])

    @staticmethod
    def of_memory(domain):
        """From a crash_domain."""
        try:
            ladder = domain["ladder_"]
            word = int(ladder["gate"]["word_"]["value_"])
            records, slots = ladder["cpus"]["records_"], ladder["messages"]["slots_"]
            owner = (word & 0xffff) - 1
            phase = enumerator("lastcpu::phase", word >> 17 & 7)
            step = enumerator("lastcpu::step", word >> 21 & 63)
            numbers = range(records.type.range()[1] + 1)
            cpus = [cpu_of_memory(n, records[n], slots[n], owner) for n in numbers]
        except gdb.error as error:
            raise Unknown(f"{domain.type} is no crash_domain of this version: {error}") from None
        if phase in ("dumping", "jumping"):
            cpus = [silent(c) if c.state == 0 and c.number + 1 in threads() else c for c in cpus]
        cpus = sorted((c for c in cpus if c.state or c.messages), key=lambda c: not c.has(handover.CRASHING))
        return Report("the kernel's memory", cpus, [f"the gate: {phase}, step {step}" if owner >= 0 else "the gate is open"])


def threads():
    return {thread.ptid[1] for thread in gdb.selected_inferior().threads()}


def silent(cpu):
    """It has not acknowledged its stop."""
    return replace(cpu, state=handover.STATES.index("silent"))


def enumerator(name, value):
    try:
        return next((f.name.rsplit("::", 1)[-1] for f in gdb.lookup_type(name).fields() if f.enumval == value), str(value))
    except gdb.error:
        return str(value)


def cpu_of_memory(number, record, slots, owner):
    state = int(record["ack"]["value_"])
    messages = {}
    for context, slot in zip(CONTEXTS, (slots["by_context"][i] for i in range(3))):
        if int(slot["state"]["value_"]) != 0:
            messages[context] = slot["text"].string("utf-8", "replace")
    crashing = number == owner
    state = handover.STATES.index("running") if crashing else state
    return handover.Cpu(number, state, handover.CRASHING if crashing else 0, handover.NO_HARDWARE_ID, {}, {}, messages)


def lines_of(found):
    """On the whole machine."""
    hz = found.ticks_per_second
    if hz and found.panic_ticks:
        took = (found.jump_ticks - found.panic_ticks) / hz
        jump = f", the jump {took * 1000:.3f} ms later" if found.jump_ticks > found.panic_ticks else ""
        yield f"the panic began at {found.panic_ticks / hz:.6f} s of its clock{jump}"
    yield f"kernel: build id {found.build_id or 'unknown'}, slide {found.slide:#x}, page tables {found.page_tables:#x}"
    if found.cpus_left_out:
        yield f"{found.cpus_left_out} CPUs had no room in the handover"
    yield from filter(None, (found.seal_in_words(), found.core_in_words(), found.ram_outside_in_words()))


def the_domain(expression):
    """A crash_domain, whatever language the kernel's code is written in where gdb has stopped."""
    language = gdb.parameter("language")
    gdb.execute("set language c++", to_string=True)
    try:
        return find_domain(expression)
    finally:
        gdb.execute(f"set language {language}", to_string=True)


def find_domain(expression):
    for name in (expression,) if expression else DOMAINS:
        try:
            value = gdb.parse_and_eval(name)
        except gdb.error:
            if expression:
                raise
            continue
        if expression or any(f.name == "ladder_" for f in every_field(value.type)):
            return value
    raise Unknown("the core has no note LASTCPU, and no crash_domain was found in the kernel's symbols; "
                  "say where it is: lastcpu EXPRESSION")


def every_field(kind):
    kind = kind.strip_typedefs()
    if kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return
    for field in kind.fields():
        yield field
        if field.is_base_class:
            yield from every_field(field.type)


class OpenCore:
    """The core that gdb has open, read a second time: gdb keeps no notes of others."""

    def __init__(self, path):
        with vmcore.Core(path) as core:
            self.found = handover.of_core(core)
            self.of_qemu = [n.bytes for n in core.notes if n.name == "LASTCPU" and n.type == CPU_NOTE_TYPE]

    def report(self, expression=""):
        if self.found is not None and not expression:
            return Report.of_handover(self.found)
        return Report.of_memory(the_domain(expression))

    def control(self, cpu):
        """The control words of a CPU, by name; empty where nobody has kept them."""
        runs_the_crash_kernel = self.found is not None and self.found.seal != 0 and cpu.has(handover.CRASHING)
        if cpu.control or runs_the_crash_kernel:
            return cpu.control
        index = cpu.hardware_id if cpu.hardware_id < len(self.of_qemu) else cpu.number
        if index >= len(self.of_qemu) or len(self.of_qemu[index]) < 440:
            return {}
        return control_by_qemu(self.of_qemu[index])


def control_by_qemu(state):
    """From QEMU's note of a CPU: its version and size, 18 words of registers, ten segments of 24 bytes, the last 8 of them
    the base (cs, ds, es, fs, gs, ...), cr0 to cr4, kernel_gs_base."""
    def base(segment):
        return struct.unpack_from("<Q", state, 152 + segment * 24 + 16)[0]

    cr0, _, cr2, cr3, cr4, kernel_gs_base = struct.unpack_from("<6Q", state, 392)
    return {"cr0": cr0, "cr2": cr2, "cr3": cr3, "cr4": cr4, "fs_base": base(3), "gs_base": base(4),
            "kernel_gs_base": kernel_gs_base}


def lines_of_cpu(cpu, control):
    more = [] if cpu.hardware_id == handover.NO_HARDWARE_ID else [f"APIC id {cpu.hardware_id}"]
    more += ["the boot CPU"] if cpu.has(handover.BOOT_CPU) else []
    yield cpu.in_words() + (f" ({', '.join(more)})" if more else "")
    for how, text in cpu.messages.items():
        yield f"  {how}: {text}"
    if cpu.has(handover.CUT_SHORT):
        yield "  it was stopped while it wrote that"
    if control:
        yield "  " + " ".join(f"{name} {value:#x}" for name, value in control.items())


the_core = None


class Lastcpu(gdb.Command):
    """What the dead kernel's CPUs were doing: who crashed, how each was stopped, what each had to say.

lastcpu              all of it
lastcpu NUMBER       one CPU
lastcpu EXPRESSION   from this crash_domain in the kernel's memory, not from the core's note"""

    def __init__(self):
        super().__init__("lastcpu", gdb.COMMAND_STATUS)

    def invoke(self, argument, _from_tty):
        try:
            self.show(argument.strip())
        except (Unknown, vmcore.BadCore) as error:
            raise gdb.GdbError(str(error)) from None

    @staticmethod
    def show(argument):
        core = the_core or OpenCore(path_of_core())
        if argument.isdigit():
            report = core.report()
            cpus = [c for c in report.cpus if c.number == int(argument)]
            if not cpus:
                raise Unknown(f"there is no CPU {argument} in {report.source}")
            lines = []
        else:
            report = core.report(argument)
            cpus = report.cpus
            crashed = [c for c in cpus if c.has(handover.CRASHING)]
            said = next(iter(crashed[0].messages.values()), "(no message)") if crashed else ""
            lines = [f"{crashed[0].name()} crashed: {said}" if crashed else "no CPU has crashed", *report.lines,
                     f"from {report.source}, {len(cpus)} CPUs:"]
        for cpu in cpus:
            lines += lines_of_cpu(cpu, core.control(cpu))
        print("\n".join(lines))


def path_of_core():
    """What `core-file` was told."""
    for line in gdb.execute("info files", to_string=True).splitlines():
        if line.strip().startswith("`") and "file type elf64" in line:
            return line.split("`")[1].split("'")[0]
    raise Unknown("no core is open: core-file CORE")


def name_threads():
    """"cpu 2 crashed", as far as it is known; the one that crashed is selected."""
    try:
        cpus = {handover.thread_of(c.number, i): c for i, c in enumerate(the_core.report().cpus)}
    except (Unknown, vmcore.BadCore, gdb.error):
        cpus = {}
    for thread in gdb.selected_inferior().threads():
        number = thread.ptid[1]
        cpu = cpus.get(number)
        thread.name = cpu.in_words() if cpu else f"cpu {number - 1}"
        if cpu and cpu.has(handover.CRASHING) and number != gdb.selected_thread().ptid[1]:
            thread.switch()
            gdb.execute("thread")
            gdb.execute("frame")


def begin(path):
    """For gdb-vmcore: behind the core and the symbols."""
    global the_core  # pylint: disable=global-statement
    the_core = OpenCore(path)
    name_threads()


Lastcpu()
