#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tools/qemu-vmcore makes a plain core of a dump of QEMU's, and refuses a bad one with a reason; the dumps are made up, and
so is QEMU where it has to misbehave."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import judge  # noqa: E402
from judge import Cpu, Expected  # noqa: E402
from made_up import RIP, Made, handover_bytes  # noqa: E402

import handover  # noqa: E402
import qemu_dump  # noqa: E402
import vmcore  # noqa: E402

TOOL = Path(__file__).resolve().parents[3] / "tools/qemu-vmcore"
FOLDER = None
HANDOVER_AT = 0x80_0000  # virtual
BOTH = {0: Cpu(("inner", "outer")), 1: Cpu(("inner", "outer"))}


class QemuDump(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Made.of_folder(FOLDER)

    def dump(self, **more):
        return self.made.core(threads=(0, 1), handover=None, qemu=True, name="dump", **more)

    def with_handover(self, rip=0x10, **more):
        """A dump in which all CPUs run something else, and what the dead kernel has saved of them."""
        at = HANDOVER_AT + 0x10_0000  # physical
        saved = {cpu: self.made.registers()[:21] for cpu in (0, 1)}
        data = handover_bytes(**{"saved": saved, "core_physical": at, "core_header_bytes": 1 << 16, **more})
        return self.dump(rip=rip, holds=[(HANDOVER_AT, b"\0" * 100 + data)])

    def convert(self, dump, name="core"):
        core = FOLDER / f"{name}.converted"
        core.unlink(missing_ok=True)
        ended = subprocess.run([TOOL, "--convert", dump, core], capture_output=True, text=True, timeout=60, check=False)
        return core, ended

    def converted(self, dump, name="core"):
        core, ended = self.convert(dump, name)
        self.assertEqual((0, ""), (ended.returncode, ended.stdout), ended.stderr)
        return core, ended.stderr

    def refused(self, dump):
        core, ended = self.convert(dump)
        self.assertEqual((1, False), (ended.returncode, core.exists()))
        self.assertRegex(ended.stderr, r"\Aqemu-vmcore: [^\n]*\n\Z")
        return ended.stderr

    def test_keeps_qemus_registers_where_there_is_no_handover(self):
        core, said = self.converted(self.dump())
        self.assertIn("no handover: the registers are as QEMU has stopped the CPUs", said)
        self.assertEqual([], judge.judge(core, self.made.kernel, Expected(BOTH, has_handover=False)))

    def test_puts_the_saved_registers_and_the_handover_in(self):
        core, said = self.converted(self.with_handover())
        self.assertIn("the registers are as the dead kernel has saved them", said)
        self.assertEqual([], judge.judge(core, self.made.kernel, Expected(BOTH, crashed=1)))
        with vmcore.Core(core) as opened:  # no debugger is to look for a system call there
            self.assertEqual([2**64 - 1] * 2, [vmcore.registers_of(n.bytes)[15] for n in opened.prstatuses()])

    def test_keeps_the_order_where_it_is_not_known_who_is_who(self):
        unknown = {cpu: handover.NO_HARDWARE_ID for cpu in (0, 1)}
        for ids, order in ((None, [2, 1]), (unknown, [1, 2])):
            core, _ = self.converted(self.with_handover(sealed=False, hardware_ids=ids))
            with vmcore.Core(core) as opened:
                self.assertEqual(order, [vmcore.pid_of(n.bytes) for n in opened.prstatuses()])

    def test_keeps_qemus_registers_of_a_cpu_that_did_not_answer(self):
        saved = {1: self.made.registers()[:21]}
        core, said = self.converted(self.with_handover(saved=saved))
        self.assertIn("of cpu 0 there were none: as QEMU has stopped it", said)
        with vmcore.Core(core) as opened:
            rips = {vmcore.pid_of(n.bytes): vmcore.registers_of(n.bytes)[RIP] for n in opened.prstatuses()}
        self.assertEqual({2: self.made.symbols["inner"], 1: 0x10}, rips)

    def test_says_of_whom_nobody_knows_the_registers(self):
        unknown = {cpu: handover.NO_HARDWARE_ID for cpu in (0, 1)}
        core, said = self.converted(self.with_handover(saved={1: self.made.registers()[:21]}, hardware_ids=unknown))
        self.assertIn("cpu 0 is not in it: it did not answer, and which of QEMU's CPUs it was is not known", said)
        with vmcore.Core(core) as opened:
            self.assertEqual([2], [vmcore.pid_of(n.bytes) for n in opened.prstatuses()])

    def test_keeps_qemus_registers_where_the_crash_kernel_was_not_started(self):
        core, said = self.converted(self.with_handover(sealed=False, rip=None))
        self.assertIn("not sealed", said)
        problems = judge.judge(core, self.made.kernel, Expected(BOTH, crashed=1))
        self.assertEqual(1, len(problems), problems)  # the seal

    def test_says_nothing_of_the_core_that_the_crash_kernel_has_written(self):
        core, _ = self.converted(self.with_handover(core_sum=1, core=(1 << 30, 1, 7)))
        self.assertEqual([], judge.judge(core, self.made.kernel, Expected(BOTH, crashed=1)))

    def test_believes_no_copy_and_nothing_that_was_never_used(self):
        for change in ({"core_physical": 0x5000}, {"cpus": ()}, {"version": 1}):
            _, said = self.converted(self.with_handover(**change))
            self.assertIn("no handover", said)

    def test_writes_over_no_other_file(self):
        dump = self.dump().rename(FOLDER / "named.converted.part")
        before = dump.read_bytes()
        self.converted(dump, "named")
        self.assertEqual(before, dump.read_bytes())

    def test_leaves_holes_where_there_are_zeros(self):
        core, _ = self.converted(self.dump(holds=[(0x100_0000, bytes(64 << 20))]))
        self.assertGreater(core.stat().st_size, 64 << 20)
        self.assertLess(core.stat().st_blocks * 512, 2 << 20)

    def test_goes_on_where_qemu_has_cut_a_mapping_off(self):
        blocks = [(0, 0xa0000), (0xc0000, 0x40000), (0xfd000000, 0x1000)]
        cut = vmcore.Segment(0xffff_8000_0000_1000, 0x1000, 0x5000, 0x9f000, 0xf0000)
        self.assertEqual([vmcore.Segment(0xffff_8000_0000_1000, 0x1000, 0x5000, 0x9f000, 0x9f000),
                          vmcore.Segment(0xffff_8000_000c_0000, 0xc0000, 0xa4000, 0x31000, 0x31000)], qemu_dump.whole(cut, blocks))
        for segment, known in ((cut, []), (vmcore.Segment(0, 0x1000, 0x5000, 0x1000, 0x1000), blocks)):
            self.assertEqual([segment], qemu_dump.whole(segment, known))

    def test_says_that_qemu_has_cut_a_mapping_off(self):
        memory_bytes_at = vmcore.HEADER.size + vmcore.PROGRAM_HEADER.size + 40
        _, said = self.converted(self.dump(patch=(memory_bytes_at, (1 << 30).to_bytes(8, "little"))))
        self.assertIn("of 0x40000000 bytes, since a block of QEMU's memory ends there", said)
        self.assertIn("let tools/qemu-vmcore run the guest, or give it -vga none", said)

    def test_keeps_what_qemu_knows_of_each_cpu(self):
        core, _ = self.converted(self.dump())
        with vmcore.Core(core) as opened:
            self.assertEqual([0, 1], [n.bytes[100] for n in opened.notes if n.name == "LASTCPU"])

    def test_refuses_bad_dumps_with_a_reason(self):
        good = self.dump().read_bytes()
        at = good.index(b"QEMU\0")
        bad = {"is truncated": good[:-4096], "no dump of QEMU's": good.replace(b"QEMU\0", b"XEMU\0"),
               "no core": b"\0" * 4096, "are [1, 1], not 1 to 2": good.replace(b"\2" + bytes(79), b"\1" + bytes(79), 1),
               "registers of 2 CPUs, and QEMU's notes of 1": good[:at] + b"X" + good[at + 1:]}
        for why, data in bad.items():
            path = FOLDER / "bad"
            path.write_bytes(data)
            self.assertIn(why, self.refused(path))
        self.assertIn("e_machine 183", self.refused(self.write(good[:18] + b"\xb7" + good[19:])))
        self.assertIn("No such file", self.refused(FOLDER / "nothing"))

    def test_refuses_a_dump_without_virtual_addresses(self):
        with vmcore.Core(self.dump()) as opened:
            flat = [(0, b"x" * 4096)]
            path = self.made.write(opened.notes, flat, name="flat")
        self.assertIn('without "paging": true', self.refused(path))

    def write(self, data):
        path = FOLDER / "bad"
        path.write_bytes(data)
        return path


class AQemu(unittest.TestCase):
    """QEMU is a script here."""

    def run_tool(self, script, *options):
        qemu = FOLDER / "qemu"
        qemu.write_text("#!/usr/bin/env python3\n" + script, encoding="utf-8")
        qemu.chmod(0o755)
        core = FOLDER / "core.run"
        ended = subprocess.run([TOOL, *options, core, "--", qemu], capture_output=True, text=True, timeout=60, check=False)
        self.assertFalse(core.exists())
        return ended.returncode, ended.stderr

    def test_says_that_qemu_ended_by_itself(self):
        status, said = self.run_tool("raise SystemExit(35)")
        self.assertEqual(1, status)
        self.assertIn("QEMU has ended with status 35, before the guest died", said)

    def test_says_what_qemu_refuses(self):
        script = """
import socket, json, sys
fd = next(int(a.rsplit("fd=", 1)[1]) for a in sys.argv if "fd=" in a)
lines = socket.socket(fileno=fd).makefile("rw")
def send(**what):
    lines.write(json.dumps(what) + "\\n")
    lines.flush()
send(QMP={})
for line in lines:
    command = json.loads(line)["execute"]
    if command == "dump-guest-memory":
        send(error={"class": "GenericError", "desc": "No space left on device"})
        continue
    send(**{"return": {}})
    if command == "qmp_capabilities":
        send(event="SHUTDOWN", data={"guest": True, "reason": "guest-reset"})
        send(event="STOP")
"""
        status, said = self.run_tool(script)
        self.assertEqual(1, status)
        self.assertIn("QEMU refuses dump-guest-memory: No space left on device", said)

    def test_says_that_qemu_cannot_be_started(self):
        ended = subprocess.run([TOOL, FOLDER / "core.run", "--", FOLDER / "none"], capture_output=True, text=True, timeout=60,
                               check=False)
        self.assertIn("none can't be started: No such file", ended.stderr)

    def test_refuses_bad_usage(self):
        for words, why in ((["core"], "it needs CORE, then --"), (["--wait", "x", "core", "--", "q"], "not 'x'"),
                           (["--nonsense"], "unknown option '--nonsense'"), (["--convert", "a"], "needs DUMP and CORE"),
                           (["/nowhere/core", "--", "q"], "there is no folder /nowhere")):
            ended = subprocess.run([TOOL, *words], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(2, ended.returncode)
            self.assertIn(why, ended.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = Path(folder)
        unittest.main()
