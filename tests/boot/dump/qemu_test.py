#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The way without a line of code: the kernel dies without a crash kernel and restarts, and tools/qemu-vmcore makes a core of
that; and where a crash kernel has run, of what the dead kernel has saved. Ends with "N passed, N failed".

  qemu_test.py BUILD [--scenario NAME] [--cpus N] [--seed N] [--repeat N] [--image elf]
  qemu_test.py BUILD --soak N      so many racing boots on 2 to 8 CPUs, every second one with a crash kernel
  qemu_test.py FOLDER --example     the example kernel in it: all CPUs panic
  qemu_test.py FOLDER --c-interface    a kernel on the C interface: two CPUs panic
"""
import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True

import dumps  # noqa: E402
import judge  # noqa: E402

import boot as qemu  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

WAY = 3  # of dumps.cover()
MEGABYTES = 128  # of memory: as little as the kernel takes
TOOLS = Path(__file__).resolve().parents[3] / "tools"
PVPANIC = ("-device", "pvpanic,ioport=0xf4")  # where stage::leave() writes to


def command_of(boot, kernel, log):
    """That of the boot tests, without what would end QEMU before anyone can look."""
    command = [*qemu.command_of(boot, kernel, log), "-m", str(MEGABYTES)]
    at = command.index("isa-debug-exit,iobase=0xf4,iosize=4")
    return [word for i, word in enumerate(command) if i not in (at - 1, at) and word != "-no-reboot"]


def run_tool(core, command, *options):
    core.unlink(missing_ok=True)
    options = options or ("--wait", "60")
    return subprocess.run([TOOLS / "qemu-vmcore", *options, core, "--", *command], capture_output=True,
                          text=True, timeout=180, check=False, stdin=subprocess.DEVNULL)


def dies(dumped, boot, kernel, core):
    """What is wrong, as sentences."""
    ended = run_tool(core, command_of(boot, kernel, core.with_suffix(".log")))
    if ended.returncode != 0:
        return [f"qemu-vmcore ends with {ended.returncode} and says: {ended.stderr}"]
    problems = [] if "the guest restarted after" in ended.stderr else [f"qemu-vmcore says: {ended.stderr}"]
    if boot.image == "none":  # nothing tells QEMU who has crashed; gdb-vmcore finds out
        expected = replace(dumps.expected(dumped, boot, stopped=True, silent_too=True), crashed=None, has_handover=False)
    else:
        expected = dumps.expected(dumped, boot, silent_too=True)
    problems += judge.judge(core, kernel.elf, expected)
    return problems + list(what_lastcpu_tells(dumped, boot, kernel, core))


def what_lastcpu_tells(dumped, boot, kernel, core):
    """From the kernel's memory: who crashed, and that everybody else was stopped."""
    ended = subprocess.run([TOOLS / "gdb-vmcore", core, kernel.elf, "-nx", "-batch", "-iex", "set source open off", "-ex",
                            "lastcpu", "-ex", "info threads"],
                           capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    if ended.stderr:
        yield f"gdb-vmcore says: {ended.stderr}"
    crashed = dumps.expected(dumped, boot).crashed
    wanted = "crashed: " if crashed is None else f"cpu {crashed} crashed: "
    if not any(wanted in line for line in ended.stdout.splitlines()):
        yield f"lastcpu does not tell that {wanted}: {ended.stdout}"
    for n in range(boot.cpus):
        states = "crashed|silent|parked|stopped by irq|stopped by NMI".split("|")
        if not any(f'LWP {n + 1} "cpu {n} {state}"' in ended.stdout for state in states):
            yield f"the thread of CPU {n} has no name that tells: {ended.stdout}"


def hangs(kernel, core):
    """A guest that does not end is dumped as it is."""
    ended = run_tool(core, command_of(Boot("nothing", 2, image="none"), kernel, core.with_suffix(".log")), "--wait", "2")
    problems = [] if ended.returncode == 3 else [f"the status is {ended.returncode}: {ended.stderr}"]
    if "neither restarted nor panicked within 2 s: dumped as it was" not in ended.stderr:
        problems.append(f"qemu-vmcore says: {ended.stderr}")
    return problems


def is_stopped_by_hand(kernel, core):
    """Ctrl-C, as a terminal would send it: to QEMU, too."""
    log = core.with_suffix(".log")
    log.write_bytes(b"")
    command = [TOOLS / "qemu-vmcore", core, "--", *command_of(Boot("nothing", 2, image="none"), kernel, log)]
    core.unlink(missing_ok=True)
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as tool:
        until = time.monotonic() + 60
        while b"bye" not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(tool.pid, signal.SIGINT)
        _, said = tool.communicate(timeout=120)
    fine = tool.returncode == 0 and "the guest was stopped by hand after" in said and core.exists()
    return [] if fine else [f"qemu-vmcore ends with {tool.returncode} and says: {said}"]


def says_so_by_pvpanic(kernel, core):
    command = [*command_of(Boot("nothing", 2, image="none"), kernel, core.with_suffix(".log")), *PVPANIC]
    ended = run_tool(core, command)
    problems = [] if "the guest said that it panicked after" in ended.stderr else [f"qemu-vmcore says: {ended.stderr}"]
    # Nobody has stopped the other one: it may be anywhere.
    cpus = {0: judge.Cpu(), 1: judge.Cpu(dumps.playing("nothing"))}
    return problems + judge.judge(core, kernel.elf, judge.Expected(cpus, has_handover=False, drgn=False))


def example_panics(kernel, core):
    """Whoever is stopped before its turn sleeps, or is about to begin."""
    ended = run_tool(core, command_of(Boot("", 4, image="none", words=("panic=all",)), kernel, core.with_suffix(".log")))
    problems = [] if ended.returncode == 0 else [f"qemu-vmcore says: {ended.stderr}"]
    cpus = {n: judge.Cpu(dumps.IDLE) for n in range(4)}
    return problems + judge.judge(core, kernel.elf, judge.Expected(cpus, has_handover=False))


def c_kernel_panics(kernel, core):
    """The two others are stopped by irq, out of the kernel's own trap entry. VGA makes two blocks of the memory that the
    kernel's one mapping leads to."""
    boot = Boot("", 4, image="none", words=("panic=0,3",))
    ended = run_tool(core, [*command_of(boot, kernel, core.with_suffix(".log")), "-vga", "std"])
    problems = [] if ended.returncode == 0 else [f"qemu-vmcore says: {ended.stderr}"]
    dies, sleeps = judge.Cpu((r"\bpanic_at\b|panic::die", r"\bwork")), judge.Cpu((dumps.SIGNAL, r"\bwork"))
    expected = judge.Expected({0: dies, 1: sleeps, 2: sleeps, 3: dies}, has_handover=False, variable="cpu_count",
                              entry=r"\b(boot_cpu|application_cpu)\b")
    return problems + judge.judge(core, kernel.elf, expected)


def boots(options):
    """[(what it is, a function of kernel and core)]"""
    if options.c_interface:
        return [("a kernel on the C interface panics on two CPUs", c_kernel_panics)]
    if options.example:
        return [("the example kernel panics on all CPUs", example_panics)]
    with_crash_kernel = (("same_tick", 4), ("nmi_loser", 4), ("wedged_in_nmi", 4), ("panic", 1))
    cover = [(*row, "none") for row in dumps.cover(WAY)] + [(dumps.BY_NAME[n], cpus, "elf") for n, cpus in with_crash_kernel]
    if options.scenario:
        cover = [(dumps.BY_NAME[options.scenario], options.cpus, options.image)] * options.repeat
    cover = [(*row, options.seed) for row in cover]
    if options.soak:
        images, racing = ("none", "none", "elf", "elf"), dumps.RACING
        cover = [(racing[i % len(racing)], 2 + i % 7, images[i % 4], options.seed + i) for i in range(options.soak)]
    out = []
    for dumped, cpus, image, seed in cover:
        boot = Boot(dumped.scenario, cpus, seed=seed, image=image)
        out.append((f"{dumped.sentence}: {boot}", lambda kernel, core, d=dumped, b=boot:
                    dies(d, b, kernel, core)))
    if not options.scenario and not options.soak:
        out += [("a guest that hangs", hangs), ("a guest and Ctrl-C", is_stopped_by_hand),
                ("a guest with pvpanic", says_so_by_pvpanic)]
    return out


def kernel_of(build, options):
    if options.c_interface:
        elf = build / "kernel.elf"
        return Kernel.without_a_crash_kernel(elf)
    if options.example:
        return Kernel.of_files(build / "lastcpu_kernel.elf", build / "lastcpu_crash_kernel.elf")
    return Kernel.of_build(build)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="where it was built")
    parser.add_argument("--scenario", choices=dumps.BY_NAME)
    parser.add_argument("--example", action="store_true")
    parser.add_argument("--c-interface", action="store_true")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--image", choices=("none", "elf"), default="none")
    parser.add_argument("--seed", type=int, default=dumps.SEED)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    qemu.require_qemu()
    build = Path(options.build).resolve()
    kernel = kernel_of(build, options)
    folder = build / "tests/boot/dump/qemu"
    folder.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for i, (what, function) in enumerate(boots(options)):
        core, began = folder / f"{i:02}.core", time.monotonic()
        problems = function(kernel, core)
        if problems:
            failed += 1
            print(f"FAILED: {what}", *problems[:8], f"the core is kept: {core}, and so is the log beside it",
                  f"next: python3 {sys.argv[0]} {' '.join(sys.argv[1:])}", sep="\n  ", flush=True)
        else:
            passed += 1
            core.unlink(missing_ok=True)
            print(f"ok: {what}, {time.monotonic() - began:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
