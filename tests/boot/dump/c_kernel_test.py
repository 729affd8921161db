#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The kernels on the C interface load the example crash kernel, which writes a core of them: what debuggers make of it, and
what is said of a file that is none. Ends with "N passed, N failed".

  c_kernel_test.py BUILD KERNEL [CC]            c_kernel or rust_kernel, built by its Makefile; another CC: one boot
  c_kernel_test.py BUILD KERNEL --boots 50      so many racing panics on 2 to 8 CPUs; each core must open
"""
import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True

import disk_test as disk  # noqa: E402
import dumps  # noqa: E402
import judge  # noqa: E402
import serial_test as serial  # noqa: E402

import boot as qemu  # noqa: E402
import c_kernels  # noqa: E402
import grub  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

ENTRY = r"\b(boot_cpu|application_cpu)\b"
MEMORY = ("-m", str(disk.MEGABYTES))
PROGRAM = 0x80_0000_0000  # where the kernel maps its only one


def boot_of(cpus, *words):
    return Boot("", cpus, needs_bios=True, words=words)


def whoever_crashed(ended):
    """By the crash kernel; the kernel itself has said so before."""
    by_kernel = re.search(r"^kernel: CPU (\d+) dies", ended.log, re.MULTILINE)
    by_handover = re.search(r"^crash: cpu (\d+) crashing", ended.log, re.MULTILINE)
    if by_kernel is None or by_handover is None or by_kernel[1] != by_handover[1]:
        return None
    return int(by_handover[1])


def what_was_said(ended):
    if ended.status != disk.DONE:
        yield f"QEMU's status is {ended.status}, not {disk.DONE}"
    if "kernel: crash kernel loaded" not in ended.log:
        yield "the kernel does not say that it has loaded the crash kernel"
    if whoever_crashed(ended) is None:
        yield "kernel and crash kernel don't name the same CPU as the one that crashed"


def judged(core, kernel, boot, ended):
    dies = judge.Cpu((r"\bpanic_at\b|panic::die", r"\bwork"))
    cpus = {n: dies if n in c_kernels.panicking(boot) else judge.Cpu((r"\bwork",)) for n in range(boot.cpus)}
    return judge.judge(core, kernel.elf, judge.Expected(cpus, crashed=whoever_crashed(ended), entry=ENTRY, variable="cpu_count"))


def on_a_disk(boot, kernel, core):
    disk.make_disk(core)
    ended = qemu.run(boot, kernel, core.with_suffix(".log"), (*MEMORY, *disk.drive(core), *disk.DEVICES["both"][1]))
    problems = list(what_was_said(ended))
    if "crash: dump complete, " not in ended.log:
        problems.append("the dump is not complete")
    return problems, ended


def dumps_to_a_disk(boot, kernel, core):
    problems, ended = on_a_disk(boot, kernel, core)
    return problems or judged(core, kernel, boot, ended), ended


def dumps_under_grub(boot, kernel, core):
    grub.require_grub()
    return dumps_to_a_disk(replace(boot, iso=grub.make_iso(boot, kernel, core.with_suffix(".cd"))), kernel, core)


def dumps_over_the_line(boot, kernel, core):
    ended = qemu.run(boot, kernel, core.with_suffix(".log"), MEMORY)
    problems = list(what_was_said(ended))
    core.unlink(missing_ok=True)
    made = serial.make_core(core.with_suffix(".log"), core)
    if made.returncode != 0:
        return [*problems, f"serial-vmcore says: {made.stderr}"], ended
    return problems or judged(core, kernel, boot, ended), ended


def dumps_out_of_user_mode(boot, kernel, core):
    """The registers of the CPU that crashed are the program's, and no debugger knows that."""
    problems, ended = on_a_disk(boot, kernel, core)
    program = re.search(r"^crash: cpu 1 crashing running registers valid rip 0x([0-9a-f]+) ", ended.log, re.MULTILINE)
    if program is None or not PROGRAM <= int(program[1], 16) < PROGRAM + 4096:
        problems.append("the registers that are handed over of CPU 1 are not the program's")
    expected = judge.Expected({0: judge.Cpu(), 1: judge.Cpu()}, crashed=1)
    return problems or list(judge.judge_file(core, expected)), ended


def is_refused(boot, kernel, core):
    """The kernel says why, and dies as one without a crash kernel."""
    core.write_bytes(b"no crash kernel" * 100)
    no_elf = Kernel(kernel.elf, core, core, core, kernel.text)
    ended = qemu.run(boot, no_elf, core.with_suffix(".log"), MEMORY)
    problems = [] if ended.status == 0 else [f"QEMU's status is {ended.status}, not that of a restart"]
    if "kernel: not an ELF file: if it is a flat image" not in ended.log:
        problems.append("the kernel does not say what is wrong with the file")
    if "crash: " in ended.log:
        problems.append("something was started")
    if "lastcpu: CPU 0 panicked" not in ended.log:
        problems.append("there is no report")
    return problems, ended


PANIC = boot_of(4, "panic=0,3")
BOOTS = (("to a disk", dumps_to_a_disk, PANIC), ("to a disk, one CPU", dumps_to_a_disk, boot_of(1, "panic=0")),
         ("to a disk, by GRUB", dumps_under_grub, boot_of(2, "panic=0,1")), ("over a serial line", dumps_over_the_line, PANIC),
         ("to a disk, out of user mode", dumps_out_of_user_mode, boot_of(2, "init=1", "panic=1")),
         ("a file that is no crash kernel", is_refused, boot_of(2, "panic=0")))


def boots_of(options):
    if options.boots:
        return [(f"boot {i}", dumps_to_a_disk, boot_of(2 + i % 7, f"panic=0,{1 + i % 7}"))
                for i in range(options.boots)]
    return BOOTS[:1] if options.cc != "gcc" or options.kernel != "c_kernel" else BOOTS


def passes(numbered, kernel, folder, repeat):
    i, (what, function, boot) = numbered
    core = folder / f"{i:03}.core"
    problems, ended = function(boot, kernel, core)
    if problems:
        print(qemu.explain(boot, ended, [what, *problems], core.with_suffix(".log"), repeat), flush=True)
    else:
        core.unlink()
        print(f"ok: {what}: {boot}, {ended.seconds:.1f} s", flush=True)
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="where the crash kernel was built")
    parser.add_argument("kernel", choices=c_kernels.NAMES)
    parser.add_argument("cc", nargs="?", default="gcc", choices=c_kernels.PARTNERS)
    parser.add_argument("--boots", type=int, default=0)
    options = parser.parse_args()
    qemu.require_qemu()
    folder = options.build.resolve() / "tests/dump" / options.kernel / options.cc
    elf = c_kernels.build(options.kernel, options.cc, folder)
    kernel = Kernel.of_files(elf, options.build / "examples/crash_kernel/lastcpu_crash_kernel.elf")
    repeat = f"python3 {' '.join(sys.argv)}"
    results = list(qemu.at_once(lambda it: passes(it, kernel, folder, repeat), list(enumerate(boots_of(options)))))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
