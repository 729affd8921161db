#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example crash kernel sends a small core over the serial line, and tools/serial-vmcore makes a file of the log: what
debuggers make of it, and how it ends where there is no line. Ends with "N passed, N failed".

  serial_test.py BUILD [--scenario NAME] [--cpus N] [--seed N] [--repeat N]
"""
import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import dumps  # noqa: E402
import judge  # noqa: E402

import boot as qemu  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

TOOL = Path(__file__).resolve().parents[3] / "tools/serial-vmcore"
SIZE = re.compile(r"^crash: dump over the serial line: .* rows, (\d+) characters, (\d+)\.(\d) s at 115200\s*$", re.MULTILINE)
MOST_CHARACTERS, MOST_TENTHS, OF_CPUS = 100_000, 100, 4  # for so many CPUs
DONE, FAILED = 2 * 16 + 1, 2 * 19 + 1  # QEMU's exit status
WAY = 2  # of dumps.cover()
IMAGES = ("elf", "pie", "flat")


def make_core(log, core):
    return subprocess.run([TOOL, log, core], capture_output=True, text=True, timeout=60, check=False)


def what_was_said(boot, ended):
    if ended.status != DONE:
        yield f"QEMU's status is {ended.status}, not {DONE}"
    size = SIZE.search(ended.log)
    if not size:
        yield "the console does not say how large the dump is"
        return
    characters, tenths = int(size.group(1)), int(size.group(2)) * 10 + int(size.group(3))
    sent = sum(len(line) + 1 for line in ended.log.split("\n") if re.match("S[0-9]", line))
    if sent != characters:
        yield f"{characters} characters were announced, and {sent} came"
    if boot.cpus <= OF_CPUS and (characters > MOST_CHARACTERS or tenths > MOST_TENTHS):
        yield f"{characters} characters, {tenths / 10} s: more than {MOST_CHARACTERS} or {MOST_TENTHS / 10} s"


def sends_a_core(dumped, boot, kernel, folder, i):
    """What is wrong, as sentences."""
    log, core = folder / f"{i:02}.log", folder / f"{i:02}.core"
    core.unlink(missing_ok=True)
    ended = qemu.run(boot, kernel, log)
    problems = list(what_was_said(boot, ended))
    made = make_core(log, core)
    if made.returncode != 0:
        return [*problems, f"serial-vmcore says: {made.stderr}", f"the log is kept: {log}"]
    problems += judge.judge(core, kernel.elf, dumps.expected(dumped, boot))
    if problems:
        return [*problems, f"core and log are kept: {core}"]
    core.unlink()
    return []


def has_no_line(kernel, folder):
    """The machine restarts all the same, and its status tells."""
    boot = Boot("panic", 2, words=("dump=serial",))
    command = qemu.command_of(boot, kernel, "none")
    at = command.index("-serial")
    began = time.monotonic()
    ended = subprocess.run([*command[:at], *command[at + 2:]], capture_output=True, timeout=60, check=False, cwd=folder)
    if ended.returncode != FAILED or time.monotonic() - began > 20:
        return [f"QEMU's status is {ended.returncode} after {time.monotonic() - began:.1f} s, and should be {FAILED} at once"]
    return []


def boots(options):
    """[(what it is, a function of kernel and folder)]"""
    if options.scenario:
        cover = [(dumps.BY_NAME[options.scenario], options.cpus, options.seed + i) for i in range(options.repeat)]
    else:
        cover = [(dumped, cpus, options.seed) for dumped, cpus in dumps.cover(WAY)]
    out = []
    for i, (dumped, cpus, seed) in enumerate(cover):
        boot = Boot(dumped.scenario, cpus, seed=seed, image=IMAGES[i % len(IMAGES)], words=("dump=serial",))
        out.append((f"{dumped.sentence}: {boot}",
                    lambda kernel, folder, d=dumped, b=boot, i=i: sends_a_core(d, b, kernel, folder, i)))
    if not options.scenario:
        out.append(("no serial port", has_no_line))
        boot = Boot("same_tick", 2, seed=options.seed, words=("data=none",))
        out.append(("a kernel that has not agreed upon anything with the crash kernel",
                    lambda kernel, folder: sends_a_core(dumps.BY_NAME["same_tick"], boot, kernel, folder, len(cover))))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="where it was built")
    parser.add_argument("--scenario", choices=dumps.BY_NAME)
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--seed", type=int, default=dumps.SEED)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    qemu.require_qemu()
    build = Path(options.build).resolve()
    kernel, folder = Kernel.of_build(build), build / "tests/boot/dump/serial"
    folder.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for what, function in boots(options):
        began = time.monotonic()
        problems = function(kernel, folder)
        if problems:
            failed += 1
            print(f"FAILED: {what}", *problems[:8], f"next: python3 {sys.argv[0]} {' '.join(sys.argv[1:])}", sep="\n  ", flush=True)
        else:
            passed += 1
            print(f"ok: {what}, {time.monotonic() - began:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
