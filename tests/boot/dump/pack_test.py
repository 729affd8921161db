#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""examples/linux_capture/pack makes the same image of the same files, and refuses what it can't make one of. Needs neither
a network nor a kernel: apt is played by scripts."""
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PACK = Path(__file__).resolve().parents[3] / "examples/linux_capture/pack"
SHIM = b"shim" + bytes(4092)
INIT = b"\x7fELF\x02" + b"init" * 25
NAME = "linux-image-6.1.0-99-cloud-amd64"


def bzimage(version=0x20F, flags=0x7F, relocatable=1, size=0x5000):
    out = bytearray(size)
    out[0x1F1] = 3
    struct.pack_into("<I", out, 0x1F4, (0x5000 - 0x800) // 16)
    out[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", out, 0x206, version)
    out[0x234] = relocatable
    struct.pack_into("<H", out, 0x236, flags)
    return bytes(out)


class Pack(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.here = self.folder / "build/examples/linux_capture"
        self.here.mkdir(parents=True)
        (self.here / "lastcpu_linux_shim.bin").write_bytes(SHIM)
        (self.here / "lastcpu_capture_init").write_bytes(INIT)
        (self.folder / "vmlinuz").write_bytes(bzimage())
        self.image = self.folder / "image"
        self.programs = self.folder / "bin"
        self.programs.mkdir()

    def pack(self, *options, kernel="vmlinuz"):
        kernel = ["--kernel", str(self.folder / kernel)] if kernel else []
        return subprocess.run([sys.executable, str(PACK), "--build", str(self.folder / "build"), "--output",
                               str(self.image), *kernel, *options], capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": str(self.programs)})

    def downloads(self, script):
        """What `apt-get download` does; an update does nothing."""
        self.program("apt-get", f'[ "$1" = download ] || exit 0\n{script}')

    def program(self, name, script):
        file = self.programs / name
        file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        file.chmod(0o755)

    def refused(self, *options, kernel="vmlinuz"):
        ended = self.pack(*options, kernel=kernel)
        self.assertNotEqual(ended.returncode, 0)
        self.assertNotIn("Traceback", ended.stderr)
        self.assertFalse(self.image.exists())
        return ended.stderr

    def test_everything_is_where_the_table_says(self):
        self.assertEqual(self.pack("--append", "capture_wait=1").returncode, 0)
        image = self.image.read_bytes()
        magic, kernel, kernel_bytes, initrd, initrd_bytes = struct.unpack_from("<5Q", image, len(SHIM))
        self.assertEqual(image[:len(SHIM)], SHIM)
        self.assertEqual(magic, 0x31786E6C7570636C)
        self.assertEqual(image[kernel:kernel + kernel_bytes], bzimage())
        self.assertEqual([kernel % 4096, initrd % 4096, len(image) % 4096], [0, 0, 0])
        self.assertEqual(image[initrd:initrd + 6], b"070701")
        self.assertIn(INIT, image[initrd:initrd + initrd_bytes])
        words = image[len(SHIM) + 40:kernel].split(b"\0")[0].decode()
        self.assertTrue(words.endswith(" capture_wait=1"), words)

    def test_archive_is_one(self):
        self.pack()
        image = self.image.read_bytes()
        at = struct.unpack_from("<Q", image, len(SHIM) + 24)[0]
        fields = [int(image[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        self.assertEqual((fields[1], fields[5], fields[6], fields[11]), (0o100755, 0, len(INIT), 5))
        self.assertEqual(image[at + 110:at + 115], b"init\0")
        self.assertEqual(image[at + 116:at + 116 + len(INIT)], INIT)
        trailer = at + 116 + (len(INIT) + 3) // 4 * 4
        self.assertEqual(image[trailer + 110:trailer + 121], b"TRAILER!!!\0")

    def test_same_files_give_the_same_image(self):
        self.pack()
        first = self.image.read_bytes()
        for file in (self.here / "lastcpu_capture_init", self.folder / "vmlinuz"):
            os.utime(file, (1, 1))
        self.pack()
        self.assertEqual(self.image.read_bytes(), first)

    def test_kernel_that_cannot_be_started_is_refused(self):
        for data, words in ((b"", "no bzImage"), (bytes(0x5000), "no bzImage"), (bzimage(version=0x20D), "Linux 4.20"),
                            (bzimage(flags=0x7E), "x86-64"), (bzimage(relocatable=0), "relocatable"),
                            (bzimage(size=0x4FFF), "cut short")):
            (self.folder / "vmlinuz").write_bytes(data)
            self.assertIn(words, self.refused())
        self.assertIn("No such file", self.refused(kernel="elsewhere"))

    def test_words_that_do_not_fit_are_refused(self):
        self.assertIn("--append", self.refused("--append", "x" * 1024))
        self.assertIn("--append", self.refused("--append", "two\nlines"))

    def test_build_that_lacks_something_is_refused(self):
        (self.here / "lastcpu_linux_shim.bin").write_bytes(b"x" * 100)
        self.assertIn("whole pages", self.refused())
        (self.here / "lastcpu_linux_shim.bin").unlink()
        self.assertIn("lastcpu_linux_shim.bin", self.refused())

    def test_output_that_cannot_be_written_is_named(self):
        self.image = self.folder / "nowhere/image"
        self.assertIn("nowhere", self.refused())

    def play_debian(self):
        self.program("apt-cache", f'echo "{NAME[:11]}"; echo "  Depends: {NAME}"')
        self.downloads(f'echo "$@" > {NAME}_1_amd64.deb')
        (self.folder / "boot").mkdir()
        (self.folder / "boot/vmlinuz-6.1.0-99-cloud-amd64").write_bytes(bzimage())
        self.program("dpkg-deb", f"tar -C {self.folder} -c ./boot")

    def test_debians_kernel_is_fetched_once(self):
        self.play_debian()
        ended = self.pack(kernel=None)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual([f.name for f in (self.here / "debian").glob("*lin*")], ["vmlinuz-6.1.0-99-cloud-amd64"])
        self.program("apt-get", "exit 1")
        self.assertEqual(self.pack(kernel=None).returncode, 0)

    def test_lists_that_are_too_old_are_updated_by_root(self):
        self.play_debian()
        new = self.folder / "updated"
        self.program("apt-get", f'[ "$1" = update ] && exec touch {new}\n[ -e {new} ] || exit 100\n'
                                f"echo > {NAME}_1_amd64.deb")
        ended = self.pack(kernel=None)
        if os.geteuid() == 0:
            self.assertEqual(ended.returncode, 0, ended.stderr)
        else:
            self.assertIn("apt-get update", ended.stderr)

    def test_missing_network_and_missing_debian_are_said(self):
        self.assertIn("apt-cache is missing", self.refused(kernel=None))
        self.program("apt-cache", "exit 0")
        self.assertIn("apt-get update", self.refused(kernel=None))
        self.play_debian()
        self.downloads("echo 'E: Could not resolve' >&2; exit 100")
        said = self.refused(kernel=None)
        self.assertIn("Could not resolve", said)
        self.assertIn("--kernel", said)
        self.downloads(f"echo > {NAME}_1_amd64.deb")
        self.program("dpkg-deb", "echo 'not a Debian archive' >&2; exit 2")
        self.assertIn("can't be unpacked", self.refused(kernel=None))

    def test_package_without_a_kernel_is_refused(self):
        self.play_debian()
        (self.folder / "boot/vmlinuz-6.1.0-99-cloud-amd64").rename(self.folder / "boot/System.map")
        self.assertIn("has no vmlinuz", self.refused(kernel=None))


if __name__ == "__main__":
    unittest.main()
