#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Boots the scenario kernel with Linux as its crash kernel, and judges the core that Linux leaves on an NVMe disk, or how it
says that it can't. Ends with "N passed, N failed".

  linux_test.py --build build/gcc-release --group cover       what ctest runs; --groups lists them
  linux_test.py --build build/gcc-release --group unhappy
  linux_test.py --build build/gcc-release --repeat 200        racing panics on 2 to 8 CPUs
"""
import argparse
import dataclasses
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[3]

import dumps  # noqa: E402
import handover  # noqa: E402
import judge  # noqa: E402
import vmcore  # noqa: E402
import boot as qemu  # noqa: E402

PACK = ROOT / "examples/linux_capture/pack"
MEMORY_MIB = 180  # the region, what the kernel takes, and the file that is loaded into the region
DISK_BYTES = 200 << 20
RESET = 0  # QEMU's status after a reset under -no-reboot
SUCCESS = r"^capture: complete, \d+ bytes in \d+ ms"
WAY = 0  # of dumps.cover()
TOO_SMALL, IO_ERROR = 7, 9  # handover.core_problem


@dataclass(frozen=True)
class Boot(qemu.Boot):
    image: str = "flat"
    words: tuple = ("crashkernel=96M",)

    def deadline(self):
        return 150  # Linux is up in 3 s on an idle machine


@dataclass(frozen=True)
class Unhappy:
    """What must be on the console, and on the disk."""
    name: str
    disk: str                # how it is prepared: see prepare()
    says: str                # a line, as a regular expression
    pack: str | None = ""    # words for Linux; None: nothing is packed, the shim is alone
    kernel: tuple = ("crashkernel=96M",)
    begun: bool = False      # the disk has the beginning of the core
    problem: int = 0         # handover.core_problem of it


UNHAPPY = (
    Unhappy("a region of 94 MiB", "empty", r"^linux: not started: its region has less than the 96 MiB",
            kernel=("crashkernel=94M",)),
    Unhappy("a size that can't be reserved", "empty", r"^kernel: no region: crashkernel= asks for a size", kernel=("crashkernel=97M",)),
    Unhappy("more than there is", "empty", r"^kernel: no region: the machine has no memory", kernel=("crashkernel=256M",)),
    Unhappy("a shim without a Linux", "empty", r"^linux: not started: no kernel is packed behind the shim", pack=None),
    Unhappy("no disk", "none", r"^capture: FAILED: no disk: no /dev/nvme\?n1", pack="capture_wait=1"),
    Unhappy("another disk than the one asked for", "empty", r"^capture: FAILED: no disk: /dev/nvme7n1$",
            pack="capture_wait=1 capture_disk=/dev/nvme7n1"),
    Unhappy("a disk with something on it", "used", r"^capture: FAILED: /dev/nvme0n1 has something on it that is no core",
            pack="capture_wait=1"),
    Unhappy("a disk that is too small", "small", r"^capture: FAILED: disk too small", begun=True, problem=TOO_SMALL),
    Unhappy("an I/O error", "broken", r"^capture: FAILED: write error on /dev/nvme0n1", begun=True, problem=IO_ERROR),
    Unhappy("a Linux that panics", "empty", r"Kernel panic - not syncing", pack="rdinit=/none root=none"),
    Unhappy("a disk that answers too slowly", "slow", r"^capture: FAILED: stalled: one step has taken \d+ ms",
            pack="capture_stall=2"),
    Unhappy("a disk that is slow all the time", "slowish", r"^capture: FAILED: stalled: all of it has taken \d+ ms",
            pack="capture_limit=3", begun=True),
)
GROUPS = {"cover": "linux_writes_a_core_that_opens_in_every_scenario",
          "unhappy": "linux_that_cannot_write_the_core_says_why_and_restarts"}


class Failed(Exception):
    """A sentence."""


def pack(build, words, output):
    ended = subprocess.run([sys.executable, str(PACK), "--build", str(build), "--output", str(output), "--append", words],
                           capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise Failed(f"{PACK.name} does not pack: {ended.stderr.strip()}")
    return output


def disk_of(kind, file):
    """The file, made, and QEMU's options for it."""
    file.unlink(missing_ok=True)
    bytes_ = {"small": 40 << 20}.get(kind, DISK_BYTES)
    with file.open("wb") as out:
        out.truncate(bytes_)
        if kind == "used":
            out.seek(64 << 10)
            out.write(b"_BHRfS_M")  # of a file system that leaves its beginning empty
    plain = f"if=none,id=d,format=raw,cache=unsafe,file={file}"
    broken = f"if=none,id=d,werror=report,driver=blkdebug,config={file.with_suffix('.blkdebug')}," \
             f"image.driver=raw,image.file.filename={file}"
    drive = {"slow": f"{plain},throttling.iops-write=1,throttling.iops-size=4096",
             "slowish": f"{plain},throttling.bps-write=8000000", "broken": broken}.get(kind, plain)
    if kind == "broken":
        file.with_suffix(".blkdebug").write_text('[inject-error]\nevent = "pwritev"\nerrno = "5"\nonce = "off"\n'
                                                 f'sector = "{(32 << 20) // 512}"\n')
    return [] if kind == "none" else ["-drive", drive, "-device", "nvme,drive=d,serial=dump"]


def run(boot, kernel, image, folder, name, kind):
    """(how it ended, what is on the disk, problems)"""
    disk = folder / f"{name}.core"
    options = [*disk_of(kind, disk), "-m", str(MEMORY_MIB)]
    ended = qemu.run(boot, dataclasses.replace(kernel, crash_flat=image), folder / f"{name}.log", options)
    problems = []
    if ended.status is None:
        problems.append(f"it has not restarted within {boot.deadline()} s")
    elif ended.status != RESET:
        problems.append(f"QEMU's exit status is {ended.status}, not that of a restart")
    return ended, disk, problems


def must_say(ended, pattern):
    if not re.search(pattern, ended.log.replace("\r", ""), re.MULTILINE):
        yield f"it does not say: {pattern}"


def begun(disk, wanted_problem):
    """The beginning of a core that is not whole: what is there can be read, and says so."""
    try:
        with vmcore.Core(disk) as core:
            found = handover.of_core(core)
    except vmcore.BadCore as error:
        yield str(error)
        return
    if found is None:
        yield "what was written has no handover"
    elif found.core_state != 1 or found.core_problem != wanted_problem or (wanted_problem and not found.core_valid_bytes):
        yield f"what was written says of itself: state {found.core_state}, problem {found.core_problem}, " \
              f"{found.core_valid_bytes} bytes; state 1 and problem {wanted_problem} were expected"


def low_memory(disk):
    """Nothing of what Linux has written below 640 KiB to start CPUs, had it any, is in the core."""
    untouched = range(0x10000, 0x9F000)  # neither the example kernel nor its firmware leaves something there
    with vmcore.Core(disk) as core:
        found = core.read_physical(untouched.start, len(untouched))
        if found is None:
            yield "the core lacks low memory"
        elif any(found):
            yield "the core has Linux's own low memory, not the dead kernel's"


def covered(dumped, boot, kernel, image, folder):
    name = f"{dumped.scenario}-{boot.cpus}-{boot.seed}"
    ended, disk, problems = run(boot, kernel, image, folder, name, "empty")
    problems += must_say(ended, SUCCESS)
    if dumped.crashed is not None and dumps.scenarios.cpu_of(dumped.crashed, boot) != 0:
        problems += must_say(ended, r"^linux: starts at .* disable_cpu_apicid=0 $")  # or it would start the CPU that it runs beside
    if not problems:
        problems = [*judge.judge(disk, kernel.elf, dumps.expected(dumped, boot)), *low_memory(disk)]
    return boot, ended, problems, folder / f"{name}.log"


def run_cover(kernel, build, folder, only):
    image = pack(build, "", folder / "capture.img")
    for dumped, cpus in dumps.cover(WAY):
        if only not in (None, dumped.scenario):
            continue
        boot = Boot(dumped.scenario, cpus, seed=dumps.SEED)
        if cpus == 2:  # another machine, and another place
            boot = dataclasses.replace(boot, machine="pc", words=("crashkernel=96M@64M",))
        yield f"{dumped.sentence}, {cpus} CPUs", covered(dumped, boot, kernel, image, folder)


def run_racing(kernel, build, folder, count):
    image = pack(build, "", folder / "capture.img")
    for i in range(count):
        boot = Boot("same_tick", 2 + i % 7, seed=1 + i)
        yield str(boot), covered(dumps.BY_NAME["same_tick"], boot, kernel, image, folder)


def run_unhappy(kernel, build, folder, only):
    for u in UNHAPPY:
        if only not in (None, u.name):
            continue
        name = re.sub(r"\W", "_", u.name)
        shim = build.resolve() / "examples/linux_capture/lastcpu_linux_shim.bin"
        image = shim if u.pack is None else pack(build, u.pack, folder / "capture.img")
        boot = Boot("panic", 2, seed=dumps.SEED, words=u.kernel)
        ended, disk, problems = run(boot, kernel, image, folder, name, u.disk)
        problems += must_say(ended, u.says)
        if u.begun:
            problems += [*begun(disk, u.problem), *judge.opens(disk, kernel.elf)]
        elif u.disk == "empty" and any(disk.read_bytes()[:4096]):
            problems.append("the disk has been written to")
        yield u.name, (boot, ended, problems, folder / f"{name}.log")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/gcc-release"), help="where it was built")
    parser.add_argument("--groups", action="store_true", help="list the groups, each with its sentence")
    parser.add_argument("--group", choices=GROUPS, help="all of its boots")
    parser.add_argument("--only", help="this scenario, or this unhappy end")
    parser.add_argument("--repeat", type=int, help="so many racing panics, in place of a group")
    parser.add_argument("--keep", action="store_true", help="keep the cores")
    return parser, parser.parse_args()


def main():
    parser, o = parse_options()
    if o.groups:
        print(*(f"{name} {sentence}" for name, sentence in GROUPS.items()), sep="\n")
        return 0
    if (o.group is None) == (o.repeat is None):
        parser.error("say either --group or --repeat; --groups lists the groups")
    qemu.require_qemu()
    kernel = qemu.Kernel.of_build(o.build)
    folder = o.build.resolve() / "tests/boot/dump/linux" / (o.group or "racing")
    folder.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    began = time.monotonic()
    boots = {"cover": run_cover, "unhappy": run_unhappy}.get(o.group, run_racing)
    for name, (boot, ended, problems, log) in boots(kernel, o.build, folder, o.repeat or o.only):
        if problems:
            failed += 1
            what = f"--group {o.group}" if o.group else f"--repeat {o.repeat}"
            repeat = f"python3 {sys.argv[0]} --build {o.build} {what} --keep"
            print(qemu.explain(boot, ended, [f"{name}:", *problems], log, repeat), flush=True)
        else:
            passed += 1
            print(f"ok: {name}, {ended.seconds:.1f} s", flush=True)
        if not o.keep:
            log.with_suffix(".core").unlink(missing_ok=True)
    print(f"took {time.monotonic() - began:.0f} s\n{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
