#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The kernels on the C interface, built by their Makefiles and booted in QEMU. Ends with "N passed, N failed".

  c_boot_test.py DIRECTORY KERNEL [CC]     c_kernel or rust_kernel; another CC: one boot
  c_boot_test.py DIRECTORY KERNEL --boots 50     so many boots in which two CPUs panic at once, on 2 and 4 CPUs in turn
"""
import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/boot/example"))

import boot as qemu  # noqa: E402
import c_kernels  # noqa: E402
import grub  # noqa: E402
import judge  # noqa: E402


def boot_of(cpus, *words):
    return qemu.Boot("", cpus, image="none", words=words)


TWO = (boot_of(2, "init=1", "panic=0,1"), boot_of(4, "init=2", "panic=1,2"))  # one of them out of user mode
BOOTS = (boot_of(1, "panic=0"), boot_of(1, "init=0", "panic=0"), *TWO, boot_of(4, "panic=0,3"),
         boot_of(4, "init=3", "panic=3"), boot_of(2, "init=1", "nmis=200", "panic=1"), boot_of(4, "init=2", "nmis=200", "panic=0,2"))
BY_GRUB = TWO[0]


def passes(boot, kernel, log):
    ended = qemu.run(boot, kernel, log)
    problems = judge.judge(boot, ended)
    said = f"ok: {boot}, {ended.seconds:.1f} s"
    print(qemu.explain(boot, ended, problems, log, "the same command") if problems else said, flush=True)
    return not problems


def is_seen_by_gdb(directory):
    """Each of its CPUs, down to its entry: by QEMU's dump."""
    return subprocess.run([sys.executable, ROOT / "tests/boot/dump/qemu_test.py", directory, "--c-interface"], check=False,
                          timeout=180).returncode == 0


def boots_of(options, kernel, directory):
    if options.boots:
        return [TWO[i % 2] for i in range(options.boots)]
    if options.cc != "gcc":
        return [TWO[0]]
    grub.require_grub()
    return [*BOOTS, replace(BY_GRUB, iso=grub.make_iso(BY_GRUB, kernel, directory / "cd"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("kernel", choices=c_kernels.NAMES)
    parser.add_argument("cc", nargs="?", default="gcc", choices=c_kernels.PARTNERS)
    parser.add_argument("--boots", type=int, default=0)
    options = parser.parse_args()
    qemu.require_qemu()
    directory = options.directory.resolve() / options.kernel / options.cc
    kernel = qemu.Kernel.without_a_crash_kernel(c_kernels.build(options.kernel, options.cc, directory))
    numbered = list(enumerate(boots_of(options, kernel, directory)))
    results = list(qemu.at_once(lambda it: passes(it[1], kernel, directory / f"{it[0]}.log"), numbered))
    if not options.boots:
        results.append(is_seen_by_gdb(directory))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
