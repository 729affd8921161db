#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Two CPUs that panicked together, as gdb shows them, for tools/demo.

  showpiece.py BUILD    leaves BUILD/kernel.core
"""
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import dumps  # noqa: E402
import judge  # noqa: E402
import qemu_test  # noqa: E402

import boot as qemu  # noqa: E402
from boot import Boot, Kernel  # noqa: E402

BOOT = Boot("same_tick", 2)
SHORT = ("set width 0", "set print address off", "set print frame-arguments scalars", "set print frame-info short-location")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: showpiece.py BUILD")
    build = Path(sys.argv[1])
    qemu.require_qemu()
    kernel, core = Kernel.of_build(build), build / "kernel.core"
    dumped = qemu_test.run_tool(core, qemu_test.command_of(BOOT, kernel, build / "kernel.core.log"))
    print(dumped.stderr, end="")
    if dumped.returncode != 0:
        return 1
    commands = [word for command in (*SHORT, "lastcpu", "thread apply all bt") for word in ("-ex", command)]
    shown = subprocess.run([qemu_test.TOOLS / "gdb-vmcore", core, kernel.elf, "-nx", "-batch", *commands], text=True, timeout=60,
                           capture_output=True, check=False, stdin=subprocess.DEVNULL)
    text = shown.stdout
    at = max(text.find("\ncpu "), 0)  # behind what gdb says when it opens a core
    print("\n".join(f"  {line}" for line in text[at:].strip().splitlines()), shown.stderr, sep="\n", end="")
    problems = list(judge.judge_gdb(core, kernel.elf, dumps.expected(dumps.BY_NAME[BOOT.scenario], BOOT)))
    for problem in problems:
        print(f"FAILED: {problem}; the core is kept: {core}")
    return 1 if problems or shown.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
