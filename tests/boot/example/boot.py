# SPDX-License-Identifier: BSL-1.0
"""Boots the example kernel in QEMU with a deadline, and brings back what it wrote to its serial line."""
import functools
import shlex
import shutil
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

QEMU = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
TAIL_LINES = 25
AT_ONCE = 2  # QEMUs
LOOK_S = 0.1  # between two looks at a machine that may hang


@dataclass(frozen=True)
class Kernel:
    """The files of one build, and where the kernel's code is."""
    elf: Path
    crash_elf: Path
    crash_flat: Path
    crash_pie: Path
    text: range
    promises: Path | None = None  # the program that judges its timeline

    @staticmethod
    def of_build(build, elf="tests/boot/example/kernel/lastcpu_scenario_kernel.elf"):
        return Kernel.of_files(Path(build) / elf, Path(build) / "examples/crash_kernel/lastcpu_crash_kernel.elf",
                               Path(build) / "tests/support/lastcpu_trace_promises")

    @staticmethod
    def example_of_build(build):
        return Kernel.of_build(build, "examples/kernel/lastcpu_kernel.elf")

    @staticmethod
    def of_files(elf, crash_elf, promises=None):
        flat, pie = crash_elf.with_suffix(".bin"), crash_elf.with_stem(crash_elf.stem + "_pie")
        for file in (elf, crash_elf, flat, pie, promises):
            if file is not None and not file.is_file():
                sys.exit(f"{file} is missing; build it: cmake --build <build directory>")
        return Kernel(elf, crash_elf, flat, pie, executable_range(elf), promises)

    @staticmethod
    def without_a_crash_kernel(elf):
        return Kernel(elf, elf, elf, elf, executable_range(elf))

    def crash_file(self, image):
        return {"flat": self.crash_flat, "pie": self.crash_pie}.get(image, self.crash_elf)


@dataclass(frozen=True)
class Boot:
    scenario: str  # "": the example kernel as it is
    cpus: int = 2
    machine: str = "q35"
    seed: int = 1
    image: str = "elf"
    deterministic: bool = False
    megabytes: int = 256
    words: tuple = ()  # more of the kernel's command line
    iso: Path | None = None  # a boot loader on a CD that has all of it
    needs_bios: bool = False  # a PC's firmware gives devices their addresses; qboot and most of the kernels do not

    def __str__(self):
        out = f"{self.scenario or 'the example'} on {self.machine} with {self.cpus} CPU{'s' * (self.cpus != 1)}, seed {self.seed}"
        if self.image != "elf":
            out += f", image {self.image}"
        if self.megabytes != 256:
            out += f", {self.megabytes} MiB"
        if self.deterministic:
            out += ", deterministic"
        return ", ".join([out, *self.words])

    def deadline(self):
        """Seconds; many times what it takes on an idle machine."""
        return 30 if self.cpus <= 16 else 60 if self.cpus <= 64 else 150


@dataclass(frozen=True)
class Ended:
    """How one boot ended. `status` is QEMU's, None when the deadline passed and QEMU was killed."""
    log: str
    status: int | None
    seconds: float
    command: str
    qemu_said: str


def loaded_by(elf):
    """[(flags, virtual address, physical address, bytes)] of what is loaded of the ELF64 file."""
    data = Path(elf).read_bytes()
    if data[:5] != b"\x7fELF\x02":
        sys.exit(f"{elf} is no 64-bit ELF file")
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    rows = [struct.unpack_from("<IIQQQQQ", data, offset + i * size) for i in range(count)]
    return [(flags, virtual, physical, bytes_) for kind, flags, _, virtual, physical, _, bytes_ in rows if kind == 1]


def executable_range(elf):
    """The virtual addresses that the ELF64 file's executable segments span."""
    spans = [(at, at + bytes_) for flags, at, _, bytes_ in loaded_by(elf) if flags & 1 and at >= 1 << 63]
    if not spans:
        sys.exit(f"{elf} has no executable segment in the upper half of the address space")
    return range(min(a for a, _ in spans), max(b for _, b in spans))


def require_qemu():
    if shutil.which(QEMU) is None:
        sys.exit(f"{QEMU} is not installed, and without it no kernel boots; on Debian or Ubuntu: "
                 f"apt-get install {PACKAGE}")


@functools.cache
def quick_firmware():
    """QEMU's options for qboot, which takes 0.06 s of a processor less than a PC's firmware until a kernel runs; none where
    it is not beside QEMU, as it is in Debian's packages."""
    rom = Path(shutil.which(QEMU) or QEMU).resolve().parents[1] / "share/qemu/qboot.rom"
    return ("-bios", rom.name) if rom.is_file() else ()


def firmware_of(boot):
    """SeaBIOS for the machine pc, boot loaders, disks and the kept timeline; qboot otherwise."""
    of_a_pc = boot.needs_bios or boot.iso or boot.deterministic or boot.machine != "q35"
    return () if of_a_pc else quick_firmware()


def words_of(boot):
    """The kernel's command line."""
    scenario = [f"scenario={boot.scenario}", f"seed={boot.seed}"] if boot.scenario else []
    return " ".join([*scenario, f"image={boot.image}", "trace=1", *boot.words])


def command_of(boot, kernel, log):
    accel = ["-accel", "tcg,thread=multi"]
    if boot.deterministic:
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off", "-rtc", "clock=vm"]
    image = [] if boot.image == "none" else ["-initrd", kernel.crash_file(boot.image)]
    by = ["-cdrom", str(boot.iso)] if boot.iso else ["-kernel", str(kernel.elf), *map(str, image), "-append", words_of(boot)]
    return [QEMU, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-machine", boot.machine, *accel,
            "-smp", str(boot.cpus), "-m", str(boot.megabytes), "-serial", f"file:{log}",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *firmware_of(boot), *by]


def run(boot, kernel, log, options=(), meanwhile=None, given_up=None):
    """One boot from power-on to the end of QEMU. The serial line goes to the file `log`; meanwhile() runs beside it and
    has an end of its own. given_up(process id) is asked now and then whether the machine hangs: then the deadline has
    passed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    command = [*command_of(boot, kernel, log), *options]
    began = time.monotonic()
    if meanwhile is not None:
        threading.Thread(target=meanwhile, daemon=True).start()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
        try:
            said, _ = communicate(qemu, boot.deadline(), given_up)
            status = qemu.returncode
        except subprocess.TimeoutExpired:
            qemu.kill()
            said, _ = qemu.communicate()
            status = None
        except BaseException:
            qemu.kill()
            raise
    return Ended(log.read_bytes().decode("latin-1"), status, time.monotonic() - began, shlex.join(command),
                 said.decode("latin-1").strip())


def communicate(qemu, deadline, given_up):
    if given_up is None:
        return qemu.communicate(timeout=deadline)
    until = time.monotonic() + deadline
    while True:
        try:
            return qemu.communicate(timeout=LOOK_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until or given_up(qemu.pid):
                raise


def tail(log):
    lines = log.splitlines()
    shown = [f"    {line!r}"[:200] if not line.isprintable() else f"    {line}"[:200] for line in lines[-TAIL_LINES:]]
    head = [f"    ... {len(lines) - TAIL_LINES} lines before"] if len(lines) > TAIL_LINES else []
    return "\n".join(head + shown) if shown else "    (nothing)"


def explain(boot, ended, problems, log, repeat):
    """What went wrong with this boot, as text that ends with what to do next."""
    lines = [f"FAILED: {boot}"] + [f"  {p}" for p in problems[:12]]
    if len(problems) > 12:
        lines.append(f"  and {len(problems) - 12} more")
    if ended.qemu_said:
        lines.append(f"  QEMU said: {ended.qemu_said}")
    lines += ["  the serial log ends with", tail(ended.log), f"  all of it: {log}", f"  next: {repeat}",
              f"  or by hand: {ended.command}"]
    return "\n".join(lines)


def at_once(function, items, many=AT_ONCE):
    """function(item) for each item, so many at a time, as an iterator in the order of the items."""
    pool = ThreadPoolExecutor(many)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
