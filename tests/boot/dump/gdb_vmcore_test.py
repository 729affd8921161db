#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tools/gdb-vmcore opens what belongs together, and says why where it does not; the cores are made up."""
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

from made_up import Made, handover_bytes  # noqa: E402

import handover  # noqa: E402
import vmcore  # noqa: E402

TOOL = Path(__file__).resolve().parents[3] / "tools/gdb-vmcore"
FOLDER = None


class GdbVmcore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Made.of_folder(FOLDER)

    def open(self, core, *arguments, kernel=None):
        return subprocess.run([TOOL, core, kernel or self.made.kernel, "-nx", "-batch", *arguments], capture_output=True,
                              text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)

    def good(self, slide=0, behind=b"", **more):
        data = handover_bytes(build_id=self.made.build_id, slide=slide % 2**64, **more)
        return self.made.core(handover=data, slide=slide, behind=behind, name=f"good{slide:x}")

    def refused(self, core, kernel=None):
        ended = self.open(core, kernel=kernel)
        self.assertEqual((1, ""), (ended.returncode, ended.stdout))
        self.assertRegex(ended.stderr, r"\Agdb-vmcore: [^\n]*\n\Z")
        return ended.stderr

    def test_names_the_threads(self):
        out = self.open(self.good(), "-ex", "info threads").stdout
        self.assertRegex(out, r'LWP 2 "cpu 1 crashed"')
        self.assertRegex(out, r'LWP 1 "cpu 0 stopped by NMI"')

    def test_moves_the_symbols_up_and_down(self):
        for slide in (0, 0x200000, 0x10_0000_0000, -0x100000):
            for core in (self.good(slide), self.made.core(handover=None, slide=slide, name="found")):
                ended = self.open(core, "-ex", "thread apply all bt", "-ex", "print machine")
                self.assertEqual("", ended.stderr)
                self.assertEqual(2, ended.stdout.count("in enter_high_half ()"), ended.stdout)
                self.assertIn("$1 = 42", ended.stdout)

    def test_is_misled_by_no_copy_of_the_build_id(self):
        data = self.made.kernel.read_bytes()
        bytes_of = {s.virtual: data[s.offset:s.offset + s.bytes] for s in self.made.image}
        text = next(at for at, held in bytes_of.items() if self.made.build_id in held)
        part = [(text + 0x10_0000, bytes_of[text])]  # nearer than the kernel, but not all of it
        core = self.made.core(handover=None, slide=0x10_0000_0000, holds=part, name="copy")
        self.assertIn("$1 = 42", self.open(core, "-ex", "print machine").stdout)
        whole = [(at + 0x4000_0000_0000, held) for at, held in bytes_of.items()]
        core = self.made.core(handover=None, slide=0x200000, holds=whole, variable=bytes([43, *bytes(7)]), name="copy")
        self.assertIn("$1 = 43", self.open(core, "-ex", "print machine").stdout)

    def test_selects_the_cpu_that_crashed(self):
        core = self.made.core(threads=(0, 1), handover=handover_bytes(build_id=self.made.build_id), name="second")
        self.assertIn("[Current thread is 2 (LWP 2)]", self.open(core, "-ex", "thread").stdout)

    def test_opens_a_raw_disk(self):
        ended = self.open(self.good(behind=b"\xa5" * 100_000), "-ex", "thread apply all bt")
        self.assertEqual(("", 2), (ended.stderr, ended.stdout.count("in enter_high_half ()")))

    def test_tells_what_became_of_each_cpu(self):
        ended = self.open(self.good(), "-ex", "lastcpu")
        self.assertEqual("", ended.stderr)
        for line in ("cpu 1 crashed: message of 1", "the panic began at 1.000000 s of its clock, the jump 25.000 ms later",
                     f"kernel: build id {self.made.build_id.hex()}, slide 0x0, page tables 0x0",
                     "cpu 0 stopped by NMI (APIC id 0)", "  said: message of 0",
                     "  cr0 0x80000011 cr2 0x0 cr3 0x1000 cr4 0x20 fs_base 0x0 gs_base 0x0 kernel_gs_base 0x0 apic_base 0xfee00000"):
            self.assertIn(line, ended.stdout.splitlines())

    def test_tells_of_one_cpu_and_of_none(self):
        out = self.open(self.good(), "-ex", "lastcpu 0").stdout
        self.assertIn("message of 0", out)
        self.assertNotIn("message of 1", out)
        self.assertIn("there is no CPU 7 in the core's note", self.open(self.good(), "-ex", "lastcpu 7").stderr)

    def test_tells_where_nothing_is_known(self):
        ended = self.open(self.made.core(handover=None, name="none"), "-ex", "lastcpu", "-ex", "info threads")
        self.assertIn("the core has no note LASTCPU, and no crash_domain was found", ended.stderr)
        self.assertIn('LWP 2 "cpu 1"', ended.stdout)

    def test_says_that_a_handover_is_not_sealed_or_a_core_incomplete(self):
        for data, why in ((handover_bytes(sealed=False), "is not sealed"),
                          (handover_bytes(core=(4096, 1, 7)),
                           "incomplete: valid up to byte 4096 (problem 7: the disk is too small)"),
                          (handover_bytes(core=(4096, 1, 99)), "incomplete: valid up to byte 4096 (problem 99)")):
            ended = self.open(self.made.core(handover=data, name="bad"), "-ex", "lastcpu")
            self.assertIn(why, ended.stderr)
            self.assertIn(why, ended.stdout)

    def test_says_which_memory_no_core_of_this_kernel_has(self):
        """The ranges overlap, and the map begins in one and ends in another."""
        ram = ((0, 3 << 20), (2 << 20, 2 << 20), (8 << 20, 6 << 20))
        for first, end, why in ((1 << 20, 10 << 20, "5 MiB of memory are outside the kernel's direct map"),
                                (1, 14 << 20, "1 MiB of memory are"), (0, 14 << 20, None)):
            data = handover_bytes(ram=ram, direct_map_physical=first, direct_map_bytes=end - first)
            ended = self.open(self.made.core(handover=data, name="map"), "-ex", "lastcpu")
            for said in (ended.stderr, ended.stdout):
                self.assertIn(why, said) if why else self.assertNotIn("outside", said)

    def test_names_problems_as_the_crash_kernel_does(self):
        text = (TOOL.parents[1] / "examples/crash_kernel/dump_problem.hpp").read_text(encoding="utf-8")
        names = re.findall(r'return "([^"]*)"', text.partition("remedy(")[0])
        self.assertEqual(handover.PROBLEMS, tuple(names[:-1]))

    def test_refuses_a_damaged_core_or_opens_it_as_far_as_it_goes(self):
        damaged = bytearray(handover_bytes(build_id=self.made.build_id))
        damaged[60] ^= 1
        sealed = handover_bytes(build_id=self.made.build_id, core_sum=1, core_header_bytes=8192, core=(0, 2, 0))
        for core, why in ((self.made.core(handover=bytes(damaged), name="bad"), "seal is wrong"),
                          (self.made.core(cut=4000, name="cut"), "is truncated"),
                          (self.made.core(handover=sealed, name="headers"), "headers are not what the dying kernel left")):
            self.assertIn(f"{why}", self.refused(core))
            self.assertIn("--damaged opens it all the same", self.refused(core))
            ended = subprocess.run([TOOL, "--damaged", core, self.made.kernel, "-nx", "-batch", "-ex", "print machine"],
                                   capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
            self.assertIn(why, ended.stderr)
            self.assertIn("$1 = 42", ended.stdout)

    def test_knows_headers_that_are_as_they_were_left(self):
        sums = {"core_header_bytes": 8192, "core": (0, 2, 0), "build_id": self.made.build_id}
        core = self.made.core(handover=handover_bytes(core_sum=1, **sums), name="headers")
        with vmcore.Core(core) as opened:
            at = next(n.at for n in opened.notes if n.name == "LASTCPU")
        data = core.read_bytes()[:8192]
        right = handover.xxh64(data[:at] + data[at + len(handover_bytes()):]) & 0xffffffff
        ended = self.open(self.made.core(handover=handover_bytes(core_sum=right, **sums), name="headers"))
        self.assertEqual((0, ""), (ended.returncode, ended.stderr))

    def test_takes_code_from_the_file_where_a_small_core_has_none(self):
        """It lacks the beginning of .data, too, as where the kernel keeps tables out of it."""
        for mark, instruction in ((b"anew", r"<inner(\+0)?>:\s+nop"), (bytes(4), "Cannot access memory")):
            core = self.made.core(name="small", handover=handover_bytes(build_id=self.made.build_id), patch=(12, mark))
            data = bytearray(core.read_bytes())
            for at in range(64, 64 + 56 * struct.unpack_from("<H", data, 56)[0], 56):
                kind, _, offset, virtual, physical, bytes_, memory_bytes, _ = vmcore.PROGRAM_HEADER.unpack_from(data, at)
                if kind == vmcore.PT_LOAD and virtual < 0x60_0000:
                    struct.pack_into("<I", data, at, 0)
                elif kind == vmcore.PT_LOAD and virtual == 0x60_0000:
                    struct.pack_into("<5Q", data, at + 8, offset + 4, virtual + 4, physical + 4, bytes_ - 4, memory_bytes - 4)
            core.write_bytes(data)
            ended = self.open(core, "-ex", "x/i inner")
            self.assertRegex(ended.stdout + ended.stderr, instruction)
            self.assertEqual(mark == b"anew", "are shown as the file has them" in ended.stderr)

    def test_opens_an_incomplete_core_that_lacks_the_kernel(self):
        data = handover_bytes(core=(4096, 1, 7), build_id=self.made.build_id)
        for damaged in ((), ("--damaged",)):
            core = self.made.core(handover=data, name="begun", cut_to=3 * 4096)
            ended = subprocess.run([TOOL, *damaged, core, self.made.kernel, "-nx", "-batch", "-ex", "lastcpu"],
                                   capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
            self.assertEqual(0, ended.returncode, ended.stderr)
            self.assertIn("valid up to byte 4096", ended.stderr)
            self.assertIn("cpu 1 crashed: message of 1", ended.stdout)

    def test_opens_a_core_that_says_that_it_is_laid_out_anew(self):
        for state in ((0, 2, 0), (1 << 30, 1, 7)):
            data = handover_bytes(core_sum=1, core_header_bytes=8192, core=state, build_id=self.made.build_id)
            ended = self.open(self.made.core(handover=data, name="anew", patch=(12, b"anew")), "-ex", "print machine")
            self.assertNotIn("headers", ended.stderr)
            self.assertIn("$1 = 42", ended.stdout)

    def test_says_that_core_comes_first(self):
        self.assertIn("is a core, not a kernel: CORE comes first", self.refused(self.made.kernel, kernel=self.good()))

    def test_says_that_nothing_was_dumped_to_a_disk(self):
        disk = FOLDER / "empty"
        disk.write_bytes(bytes(1 << 20))
        self.assertIn("with zeros: nothing has been dumped to it", self.refused(disk))

    def test_says_that_a_kernel_file_is_stripped(self):
        stripped = FOLDER / "stripped.elf"
        stripped.write_bytes(self.made.kernel.read_bytes().replace(b"\0.debug_info\0", b"\0.other_info\0"))
        ended = subprocess.run([TOOL, self.good(), stripped, "-nx", "-batch"], capture_output=True, text=True, timeout=60,
                               check=False, stdin=subprocess.DEVNULL)
        self.assertIn("stripped.elf has no .debug_info", ended.stderr)

    def test_refuses_a_kernel_of_another_build(self):
        text = self.refused(self.made.core(handover=handover_bytes(build_id=bytes(range(20))), name="other"))
        self.assertIn(f"build id {bytes(range(20)).hex()}", text)
        self.assertIn(self.made.build_id.hex(), text)
        self.assertIn("open it with the file that ran", text)

    def test_refuses_a_kernel_whose_build_id_is_not_in_memory(self):
        kernel = FOLDER / "other.elf"
        kernel.write_bytes(self.made.kernel.read_bytes().replace(self.made.build_id, bytes(range(20))))
        text = self.refused(self.made.core(handover=None, name="none"), kernel)
        self.assertIn(self.made.build_id.hex(), text)
        self.assertIn(bytes(range(20)).hex(), text)

    def test_refuses_bad_cores_with_a_reason(self):
        good = self.good().read_bytes()
        bad = {"no core: it does not begin with an ELF header": b"x" + good[1:],
               "fewer than an ELF header": good[:63],
               "not a core": good[:16] + b"\x02" + good[17:],
               "of a machine that is not known here": good[:18] + b"\x03" + good[19:],
               "no little-endian ELF64": good[:4] + b"\x01" + good[5:],
               "it has 0 program headers": good[:56] + b"\0\0" + good[58:],
               "the table of program headers reaches to byte": good[:100],
               "the segment of notes reaches to byte": good[:500],
               "has no notes": good[:64] + b"\0" + good[65:],
               "version 3; this reads version 2": good.replace(b"lcpuhov2\2", b"lcpuhov2\3"),
               "does not begin with 'lcpuhov2'": good.replace(b"lcpuhov2", b"lcpuhov1")}
        for why, data in bad.items():
            path = FOLDER / "bad"
            path.write_bytes(data)
            self.assertIn(why, self.refused(path))

    def test_refuses_files_that_are_not_there_and_bad_usage(self):
        self.assertIn("No such file", self.refused(FOLDER / "nothing"))
        self.assertIn("is no kernel", self.refused(self.good(), __file__))
        ended = subprocess.run([TOOL, "--nonsense"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((2, True), (ended.returncode, "--help" in ended.stderr))


class TheReader(unittest.TestCase):
    def test_reads_no_handover_of_too_many_cpus_or_too_few_bytes(self):
        good = handover_bytes()
        for change, why in (({"cpu_count": 9}, "9 CPUs and room for 3"), ({"cpu_capacity": 9}, "for 9 CPUs"),
                            ({"ram_count": 65}, "65 ranges"), ({"build_id_bytes": 33}, "33 bytes of build id"),
                            ({"machine": 183}, "of e_machine 183"), ({"cpu_entry_bytes": 8}, "8 for a CPU")):
            with self.assertRaisesRegex(vmcore.BadCore, why):
                handover.Handover(handover_bytes(**change))
        with self.assertRaisesRegex(vmcore.BadCore, "fewer than its header"):
            handover.Handover(good[:1000])

    def test_sees_each_flipped_bit(self):
        good = bytearray(handover_bytes())
        for bit in range(0, len(good) * 8, 997):
            flipped = bytearray(good)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                found = handover.Handover(bytes(flipped))
            except vmcore.BadCore:
                continue
            behind = handover.SEAL_AT + 8 <= bit // 8 < handover.BEHIND_SEAL  # what the writer of the core says there
            self.assertEqual(behind, found.seal_is_right, f"bit {bit}")

    def test_opens_or_refuses_a_core_with_flipped_bits(self):
        good, path, draw = Made.of_folder(FOLDER).core().read_bytes(), FOLDER / "flipped", random.Random(14)
        refused = 0
        for _ in range(600):
            flipped = bytearray(good[:draw.choice((len(good), draw.randrange(len(good))))])
            for _ in range(draw.randrange(1, 4)):
                bit = draw.randrange(min(len(flipped), 4096) * 8 or 1)
                flipped[bit // 8:bit // 8 + 1] = bytes((flipped[bit // 8] ^ 1 << bit % 8,)) if flipped else b""
            path.write_bytes(flipped)
            try:
                with vmcore.Core(path) as core:
                    refused += core.missing() is not None
                    core.read_virtual(0x400000, 8)
                    handover.of_core(core)
            except vmcore.BadCore:
                refused += 1
        self.assertGreater(refused, 100)

    def test_knows_xxh64(self):
        self.assertEqual([0xef46db3751d8e999, 0x44bc2cf5ad770999, 0x6ac1e58032166597],
                         [handover.xxh64(data) for data in (b"", b"abc", bytes(range(100)))])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = Path(folder)
        unittest.main()
