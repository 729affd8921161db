#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long it takes from the panic to the last byte of the core, by the example crash kernel's own disk driver and by Linux as
crash kernel: in turns, on this machine, in a guest of 512 MiB, to a file that was written before. Shows medians.

  speed.py --build build/gcc-release              five of each
  speed.py --build build/gcc-release --way linux --runs 3
"""
import argparse
import dataclasses
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

import linux_test  # noqa: E402
import boot as qemu  # noqa: E402

GUEST_MIB = 512
FILE_MIB = 576
FACTOR = 4  # so much faster the driver of a page has to be
PANIC = re.compile(r"^panic: ", re.MULTILINE)


@dataclass(frozen=True)
class Way:
    name: str
    boot: qemu.Boot
    device: str
    done: re.Pattern  # its last words: bytes and milliseconds of the copy alone


WAYS = (
    Way("disk", qemu.Boot("same_tick", 2, needs_bios=True, words=("dump=disk",)), "virtio-blk-pci,drive=d,serial=lastcpu-dump",
        re.compile(r"^crash: dump complete, (\d+) bytes in (\d+) ms", re.MULTILINE)),
    Way("linux", linux_test.Boot("same_tick", 2), "nvme,drive=d,serial=lastcpu-dump",
        re.compile(r"^capture: complete, (\d+) bytes in (\d+) ms", re.MULTILINE)),
)


@dataclass(frozen=True)
class Run:
    seconds: float  # panic to the last byte, by the clock of this machine
    bytes: int
    copying: float  # by the clock of the machine that died

    def rate(self):
        return self.bytes / 1e6 / max(self.copying, 1e-3)


def written_before(file):
    """All of it on the disk: nothing is allocated while the core is written."""
    file.unlink(missing_ok=True)
    with file.open("wb") as out:
        for _ in range(FILE_MIB):
            out.write(bytes(1 << 20))
        out.flush()
        os.fsync(out.fileno())


def empty(file):
    """No old core: its size stays."""
    with file.open("r+b") as out:
        out.write(bytes(1 << 20))


class Watch:
    """Reads the serial line's file while QEMU writes it, and keeps when something was said first."""

    def __init__(self, log, patterns, seconds):
        self.log, self.patterns, self.end = log, patterns, time.monotonic() + seconds
        self.said = {}

    def __call__(self):
        while len(self.said) < len(self.patterns) and time.monotonic() < self.end:
            text = self.log.read_bytes().decode("latin-1").replace("\r", "")
            for pattern in self.patterns:
                if pattern not in self.said and pattern.search(text):
                    self.said[pattern] = time.monotonic()
            time.sleep(0.002)


def measure(way, kernel, image, folder):
    """A Run, or how it failed, in words."""
    disk, log = folder / "core", folder / f"{way.name}.log"
    empty(disk)
    if way.name == "linux":
        kernel = dataclasses.replace(kernel, crash_flat=image)
    log.write_bytes(b"")
    watch = Watch(log, (PANIC, way.done), way.boot.deadline())
    options = ["-m", str(GUEST_MIB), "-drive", f"if=none,id=d,format=raw,file={disk}", "-device", way.device]
    ended = qemu.run(way.boot, kernel, log, options, meanwhile=watch)
    found = way.done.search(ended.log.replace("\r", ""))
    if found is None or len(watch.said) != 2:
        return qemu.explain(way.boot, ended, ["it does not say that the core is complete"], log, "the same command")
    return Run(watch.said[way.done] - watch.said[PANIC], int(found.group(1)), int(found.group(2)) / 1e3)


def summary(name, runs):
    seconds = statistics.median(r.seconds for r in runs)
    print(f"{name}: panic to the last byte {seconds * 1e3:.0f} ms ({min(r.seconds for r in runs) * 1e3:.0f} to "
          f"{max(r.seconds for r in runs) * 1e3:.0f}), copying {statistics.median(r.rate() for r in runs):.0f} MB/s, "
          f"{runs[0].bytes / 1e6:.0f} MB; median of {len(runs)}")
    return seconds


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/gcc-release"), help="where it was built")
    parser.add_argument("--way", choices=[w.name for w in WAYS], action="append", help="only this one")
    parser.add_argument("--runs", type=int, default=5, help="of each (5)")
    return parser.parse_args()


def main():
    o = parse_options()
    qemu.require_qemu()
    kernel = qemu.Kernel.of_build(o.build)
    folder = o.build.resolve() / "tests/boot/dump/speed"
    folder.mkdir(parents=True, exist_ok=True)
    ways = [w for w in WAYS if not o.way or w.name in o.way]
    image = linux_test.pack(o.build, "", folder / "capture.img") if any(w.name == "linux" for w in ways) else None
    written_before(folder / "core")
    runs = {w.name: [] for w in ways}
    for _ in range(o.runs):
        for way in ways:
            run = measure(way, kernel, image, folder)
            if isinstance(run, str):
                print(run)
                return 1
            print(f"{way.name}: {run.seconds * 1e3:.0f} ms, {run.rate():.0f} MB/s", flush=True)
            runs[way.name].append(run)
    (folder / "core").unlink()
    seconds = {name: summary(name, runs[name]) for name in runs}
    if len(seconds) == 1:
        return 0
    factor = seconds["linux"] / seconds["disk"]
    print(f"the driver is {factor:.1f} times as fast as Linux; at least {FACTOR} were promised")
    return 0 if factor >= FACTOR else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except linux_test.Failed as failure:
        sys.exit(f"FAILED: {failure}")
