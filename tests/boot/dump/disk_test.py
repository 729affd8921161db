#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example crash kernel writes the core to a virtio disk: what debuggers make of it, and what is left where it goes wrong.
Ends with "N passed, N failed".

  disk_test.py BUILD --group cores       what ctest runs; --group troubles is the other
  disk_test.py BUILD --scenario same_tick --cpus 4 --seed 3
  disk_test.py BUILD --repeat 200        racing panics with 2 to 8 CPUs; each core must open
  disk_test.py BUILD --measure 5         a machine of 512 MiB, a preallocated file: medians
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

import dumps  # noqa: E402
import judge  # noqa: E402

import boot as qemu  # noqa: E402
import handover  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
import vmcore  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

TOOLS = Path(__file__).resolve().parents[3] / "tools"
WAY = 1  # of dumps.cover()
MEGABYTES = 128  # of memory: as little as the kernel takes
DISK_BYTES = 192 << 20
SERIAL = "serial=lastcpu-dump"
NO_PROBLEM, NO_DISK, READ_ONLY, TOO_SMALL, IO_ERROR, REQUEST_TOO_SLOW, DUMP_TOO_SLOW, FAULT = 0, 1, 6, 7, 9, 11, 12, 13
INCOMPLETE, COMPLETE = 1, 2
DONE, FAILED, FAULTED = verdict.DONE_STATUS, 2 * 19 + 1, 2 * 20 + 1  # QEMU's exit status

# Ways to put the disk into the machine: (machine, options).
DISK = "virtio-blk-pci,drive=disk," + SERIAL
DEVICES = {
    "both": ("q35", ("-device", DISK)),
    "legacy": ("pc", ("-device", DISK + ",disable-modern=on")),
    "modern": ("pc", ("-device", DISK + ",disable-legacy=on")),
    "behind_a_bridge": ("q35", ("-device", "pcie-root-port,id=bridge", "-device", DISK + ",bus=bridge")),
    "beside_another": ("q35", ("-drive", "if=none,id=other,driver=null-co,size=1M,read-zeroes=on", "-device",
                               "virtio-blk-pci,drive=other,serial=root", "-device", DISK)),
    "small_queue": ("q35", ("-device", DISK + ",queue-size=16")),
    "above_what_is_mapped": ("q35", ("-object", "memory-backend-ram,id=large,size=4G", "-device",
                                     "ivshmem-plain,memdev=large", "-device", DISK + ",disable-legacy=on")),
    "with_a_thread": ("q35", ("-object", "iothread,id=thread", "-device", DISK + ",iothread=thread" +
                              ",logical_block_size=4096,physical_block_size=4096")),
}


def drive(path, *more):
    return ("-drive", ",".join([f"if=none,id=disk,file={path},format=raw", *more]))


def failing(path, sector, errno, *more):
    """A disk on which each write that has this sector fails."""
    error = f"file.inject-error.0.event=none,file.inject-error.0.iotype=write,file.inject-error.0.sector={sector},"
    return ("-drive", ",".join(["if=none,id=disk,format=raw,file.driver=blkdebug", f"file.image.filename={path}",
                                f"{error}file.inject-error.0.errno={errno}", *more]))


def make_disk(path, size=DISK_BYTES):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)


def words_on(disk):
    """(core_state, core_valid_bytes, core_problem) of the handover on the disk, None where there is none."""
    with open(disk, "rb") as file:
        head = file.read(1 << 16)
    at = head.find(handover.MAGIC)
    if at < 0:
        return None
    fields = dict(zip((n for n, _ in handover.FIELDS), handover.HEADER.unpack_from(head, at)))
    return fields["core_state"], fields["core_valid_bytes"], fields["core_problem"]


# --- Cores.

def core_sums(disk):
    return subprocess.run([judge.SYSTEM_PYTHON, TOOLS / "core-sums", disk], capture_output=True, text=True, timeout=120,
                          check=False)


def sums_are_right(disk):
    """And find a bit that is flipped, in memory or in the sums themselves."""
    ended = core_sums(disk)
    if ended.returncode != 0:
        yield ended.stderr.strip()
        return
    with vmcore.Core(disk) as core:
        end = max(s.offset + s.bytes for s in core.segments)
    for at, said in ((end - 1, "another sum than the crash kernel's"), (end + 20, "another sum than its own")):
        with open(disk, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 16]))
        ended = core_sums(disk)
        if ended.returncode != 1 or said not in ended.stderr:
            yield f"core-sums misses a bit that is flipped in byte {at}: {ended.stdout}{ended.stderr}"


def dumps_well(dumped, boot, kernel, disk, device):
    """(what is wrong, as sentences; how it ended)"""
    make_disk(disk)
    options = ("-m", str(MEGABYTES), *drive(disk), *DEVICES[device][1])
    ended = qemu.run(boot, kernel, disk.with_suffix(".log"), options)
    problems = list(verdict.judge(boot, scenarios.BY_NAME[boot.scenario], ended, kernel))
    if "crash: dump complete, " not in ended.log:
        problems.append("the dump is not complete")
    else:
        problems += judge.judge(disk, kernel.elf, dumps.expected(dumped, boot))
        problems += sums_are_right(disk)
    return problems, ended


def core_boots():
    """[(what, boot, device)]: each scenario, and each device."""
    names = list(DEVICES)
    out = []
    cover = dumps.cover(WAY)
    for i, device in enumerate(names):
        dumped, cpus = cover[i % len(cover)]
        out.append((dumped, disk_boot(dumped.scenario, cpus, device), device))
    return out


def disk_boot(scenario, cpus, device="both", seed=dumps.SEED):
    return Boot(scenario, cpus, DEVICES[device][0], seed, needs_bios=True, words=("dump=disk",))


def run_cores(todo, kernel, folder, repeat):
    passed = failed = 0

    def one(numbered):
        i, (dumped, boot, device) = numbered
        disk = folder / f"{i:03}-{boot.scenario}-{boot.cpus}-{device}.core"
        problems, ended = dumps_well(dumped, boot, kernel, disk, device)
        if not problems:
            disk.unlink()
        return boot, device, disk, problems, ended

    for boot, device, disk, problems, ended in qemu.at_once(one, list(enumerate(todo))):
        if problems:
            failed += 1
            print(qemu.explain(boot, ended, problems, disk.with_suffix(".log"), repeat(boot, device)), flush=True)
        else:
            passed += 1
            print(f"ok: {boot}, disk {device}, {ended.seconds:.1f} s", flush=True)
    return passed, failed


# --- Troubles.

@dataclass(frozen=True)
class Trouble:
    name: str
    sentence: str
    says: tuple                # regular expressions of lines on the console, in their order
    options: object            # (path of the disk) -> QEMU's options
    words: tuple = ()          # of the kernel's command line
    status: int = FAILED
    on_disk: tuple = None      # (state, problem); None: nothing
    knows_the_end: bool = True  # the header says as much as the console
    size: int = DISK_BYTES
    most_seconds: int = 25
    scenario: str = "same_tick"


def whole_disk(*more):
    return lambda path: (*drive(path, *more), "-device", DISK)


def failing_disk(errno):
    return lambda path: (*failing(path, 100_000, errno, "werror=report"), "-device", DISK)


NOTHING_WRITTEN = r"crash: dump: nothing has been written"
INCOMPLETE_CORE = r"crash: dump: the core is incomplete, valid up to (\d+) of \d+ bytes; its header says so"
TROUBLES = (
    Trouble("no_disk", "a machine without a disk", (r"crash: dump failed: there is no virtio disk for it; .*serial=",
                                                    NOTHING_WRITTEN), lambda path: ()),
    Trouble("another_disk", "a disk that is not there for dumps is left alone",
            (r"crash: dump wants a disk with the serial number lastcpu-dump; virtio disks with another: 1",
             r"crash: dump failed: there is no virtio disk for it", NOTHING_WRITTEN),
            lambda path: (*drive(path), "-device", "virtio-blk-pci,drive=disk,serial=root")),
    Trouble("any_disk", "a disk without a serial number is left alone, also where the word that names one is empty",
            (r"crash: dump was told no serial number", r"crash: dump failed: there is no virtio disk for it", NOTHING_WRITTEN),
            lambda path: (*drive(path), "-device", "virtio-blk-pci,drive=disk"), words=("dump_disk=",)),
    Trouble("read_only", "a disk that is read-only", (r"crash: dump failed: the disk is read-only; .*read-only=off",
                                                      NOTHING_WRITTEN), whole_disk("read-only=on")),
    Trouble("too_small", "a disk that is too small gets what fits",
            (r"crash: dump failed: the disk is too small; make it as large as the core", INCOMPLETE_CORE), whole_disk(),
            on_disk=(INCOMPLETE, TOO_SMALL), size=64 << 20),
    Trouble("no_room", "a disk without room for a header", (r"crash: dump failed: the disk is too small", NOTHING_WRITTEN),
            whole_disk(), size=4096),
    Trouble("io_error", "an I/O error ends it", (r"crash: dump failed: the disk reports an I/O error; see the host's log",
                                                 INCOMPLETE_CORE), failing_disk(5), on_disk=(INCOMPLETE, IO_ERROR)),
    Trouble("host_full", "a host without room left ends it", (r"crash: dump failed: the disk reports an I/O error; .*full",
                                                              INCOMPLETE_CORE), failing_disk(28),
            on_disk=(INCOMPLETE, IO_ERROR)),
    Trouble("slow_request", "a disk that does not answer a request in time",
            (r"crash: dump failed: the disk has not answered a request in time; .*dump_request_ms=",
             r"crash: dump: the core is incomplete, valid up to (\d+) of"),
            whole_disk("throttling.iops-write=1", "throttling.iops-size=4096"), words=("dump_request_ms=2000",),
            on_disk=(INCOMPLETE, None), knows_the_end=False),
    Trouble("slow_disk", "a disk that answers once a second, and for which it all takes too long",
            (r"crash: dump failed: the disk is so slow that the whole dump ran out of time; .*dump_ms=", INCOMPLETE_CORE),
            whole_disk("throttling.iops-write=1"), words=("dump_ms=5000",), on_disk=(INCOMPLETE, DUMP_TOO_SLOW)),
    Trouble("fault", "a fault in the crash kernel",
            (r"crash: the crash kernel has faulted: page fault \(vector 14\) at 0x[0-9a-f]+, address 0x400000000000",
             r"crash: dump failed: the crash kernel has faulted; .*the address is above", INCOMPLETE_CORE), whole_disk(),
            words=("dump_faults=1",), status=FAULTED, on_disk=(INCOMPLETE, FAULT)),
    Trouble("nmis", "a storm of NMIs while it dumps", (r"crash: dump: \d+ NMIs came in, and the dump goes on",
                                                       r"crash: dump complete, "),
            whole_disk(), status=DONE, on_disk=(COMPLETE, NO_PROBLEM), scenario="nmi_storm_to_the_end"),
)


def says_in_order(trouble, log):
    at, valid = 0, None
    lines = log.replace("\r", "").split("\n")
    for wanted in trouble.says:
        found = next((i for i in range(at, len(lines)) if re.match(wanted, lines[i])), None)
        if found is None:
            yield None, f"there is no line '{wanted}' on the console, or not in this order"
            return
        at, groups = found + 1, re.match(wanted, lines[found]).groups()
        valid = int(groups[0]) if groups else valid
    yield valid, None


def what_is_on(disk, trouble, valid):
    words = words_on(disk)
    if trouble.on_disk is None:
        if words is not None or any(disk.read_bytes()):
            yield f"there is something on the disk: {words}"
        return
    state, problem = trouble.on_disk
    if words is None or words[0] != state or (problem is not None and words[2] != problem):
        yield f"the header on the disk has (state, valid, problem) {words}, not {(state, valid, problem)}"
    elif trouble.knows_the_end and valid is not None and words[1] != valid:
        yield f"the header on the disk says that it is valid up to {words[1]}, the console {valid}"
    elif valid is not None and words[1] > valid:
        yield f"the header on the disk says that it is valid up to {words[1]}, and it is up to {valid} at most"


def is_readable(disk, kernel):
    """What was written can be looked at."""
    try:
        with vmcore.Core(disk) as core:
            found = handover.of_core(core)
    except vmcore.BadCore as error:
        return [f"the core can't be read: {error}"]
    problems = [] if found.seal_is_right else [found.seal_in_words()]
    if len(found.cpus) != 2:
        problems.append(f"it has {len(found.cpus)} CPUs, not 2")
    return problems + list(judge.opens(disk, kernel.elf))


def ends_well(trouble, kernel, folder):
    """(what is wrong, as sentences; how it ended)"""
    disk = folder / f"{trouble.name}.core"
    boot = Boot(trouble.scenario, 2, needs_bios=True, words=("dump=disk", *trouble.words))
    make_disk(disk, trouble.size)
    log = disk.with_suffix(".log")
    ended = qemu.run(boot, kernel, log, ("-m", str(MEGABYTES), *trouble.options(disk)))
    problems = []
    if ended.status != trouble.status:
        problems.append(f"QEMU ends with {ended.status}, not {trouble.status}")
    if ended.seconds > trouble.most_seconds:
        problems.append(f"it took {ended.seconds:.0f} s, more than {trouble.most_seconds}")
    for valid, problem in says_in_order(trouble, ended.log):
        problems += [problem] if problem else what_is_on(disk, trouble, valid)
    if trouble.on_disk is not None and not problems:
        problems += is_readable(disk, kernel)
    return problems, ended, boot


def restarts(kernel, folder):
    """Without a device that ends QEMU."""
    disk, boot = folder / "restarts.core", Boot("same_tick", 2, needs_bios=True, words=("dump=disk",))
    make_disk(disk, 4096)
    log = disk.with_suffix(".log")
    command = [*qemu.command_of(boot, kernel, log), "-m", str(MEGABYTES), *whole_disk()(disk)]
    at = command.index("isa-debug-exit,iobase=0xf4,iosize=4")
    command = command[:at - 1] + command[at + 1:]
    try:
        status = subprocess.run(command, timeout=boot.deadline(), check=False, stdin=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        status = None
    said = log.read_text(encoding="latin-1")
    return status == 0 and "crash: dump failed: the disk is too small" in said and "crash: done" in said


def run_troubles(todo, kernel, folder, build):
    passed = failed = 0
    for trouble, (problems, ended, boot) in zip(todo, qemu.at_once(lambda t: ends_well(t, kernel, folder), todo, 3)):
        if problems:
            failed += 1
            repeat = f"python3 {sys.argv[0]} {build} --trouble {trouble.name}"
            print(qemu.explain(boot, ended, [trouble.sentence, *problems], folder / f"{trouble.name}.log", repeat), flush=True)
        else:
            passed += 1
            print(f"ok: {trouble.sentence}, {ended.seconds:.1f} s", flush=True)
            (folder / f"{trouble.name}.core").unlink()
    return passed, failed


def run_restart(kernel, folder):
    good = restarts(kernel, folder)
    print("ok: it restarts" if good else f"FAILED: it does not restart behind a failed dump: see {folder}/restarts.log", flush=True)
    return (1, 0) if good else (0, 1)


# --- Figures.

def measure(kernel, folder, times):
    disk, boot = folder / "measured.core", Boot("same_tick", 2, needs_bios=True, words=("dump=disk",))
    disk.parent.mkdir(parents=True, exist_ok=True)
    disk.unlink(missing_ok=True)
    with open(disk, "wb") as file:
        zeros = bytes(1 << 20)
        for _ in range(540):
            file.write(zeros)
        os.fsync(file.fileno())
    rates, waits = [], []
    for _ in range(times):
        ended = qemu.run(boot, kernel, disk.with_suffix(".log"), ("-m", "512", *drive(disk), *DEVICES["both"][1]))
        found = re.search(r"dump complete, \d+ bytes in (\d+) ms, (\d+) MB/s, panic to the last byte (\d+) ms", ended.log)
        if found is None:
            print(qemu.explain(boot, ended, ["the dump is not complete"], disk.with_suffix(".log"), "the same"))
            return 0, 1
        rates.append(int(found.group(2)))
        waits.append(int(found.group(3)))
        print(found.group(0), flush=True)
    disk.unlink()
    print(f"median of {times}: {statistics.median(rates):.0f} MB/s, panic to the last byte {statistics.median(waits):.0f} ms")
    return (1, 0) if statistics.median(rates) >= 500 else (0, 1)


def racing(count):
    """Two CPUs that panic at the same tick; each fourth boot another way to die."""
    others = [d for d in dumps.ALL if d.silent is None]  # a silent one costs seconds
    devices = list(DEVICES)
    for i in range(count):
        dumped = dumps.BY_NAME["same_tick"] if i % 4 else others[i // 4 % len(others)]
        device = devices[i % len(devices)]
        yield dumped, disk_boot(dumped.scenario, 2 + i % 7, device, seed=1 + i), device


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="where it was built")
    parser.add_argument("--group", choices=("cores", "troubles"))
    parser.add_argument("--scenario", choices=list(dumps.BY_NAME), default="same_tick")
    parser.add_argument("--trouble", choices=[t.name for t in TROUBLES])
    parser.add_argument("--device", choices=list(DEVICES), default="both")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--seed", type=int, default=dumps.SEED)
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--measure", type=int)
    return parser.parse_args()


def main():
    o = parse_options()
    qemu.require_qemu()
    kernel = Kernel.of_build(o.build)
    folder = Path(o.build).resolve() / "tests" / "boot" / "dump" / "disk"
    began = time.monotonic()
    repeat = lambda b, device: (f"python3 {sys.argv[0]} {o.build} --scenario {b.scenario} --cpus {b.cpus} "  # noqa: E731
                                f"--seed {b.seed} --device {device}")
    if o.measure:
        passed, failed = measure(kernel, folder, o.measure)
    elif o.repeat:
        passed, failed = run_cores(list(racing(o.repeat)), kernel, folder / "racing", repeat)
    elif o.group == "cores":
        passed, failed = run_cores(core_boots(), kernel, folder, repeat)
    elif o.trouble:
        passed, failed = run_troubles([t for t in TROUBLES if t.name == o.trouble], kernel, folder, o.build)
    elif o.group == "troubles":
        passed, failed = map(sum, zip(run_troubles(TROUBLES, kernel, folder, o.build), run_restart(kernel, folder)))
    else:
        boot = disk_boot(o.scenario, o.cpus, o.device, o.seed)
        passed, failed = run_cores([(dumps.BY_NAME[o.scenario], boot, o.device)], kernel, folder, repeat)
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
