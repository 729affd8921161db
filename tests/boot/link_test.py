#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example kernel and its crash kernel build with each compiler and link with each linker, and what comes out boots.

  link_test.py SCRATCH [--new-clang clang++-19]
"""
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import example  # noqa: E402
import verdict  # noqa: E402
from boot import Kernel  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = ("lastcpu_example_kernel", "lastcpu_example_crash_kernel")
LINKERS = ("bfd", "lld")
BOOT = example.ALL_PANIC
TAIL = 20


def step(command, log):
    """None, or what it said last."""
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                check=False).returncode
    if status == 0:
        return None
    said = "\n".join(f"    {line}" for line in Path(log).read_text(encoding="utf-8").splitlines()[-TAIL:])
    return f"{' '.join(map(str, command))}\n{said}\n  all of it: {log}"


def try_cell(compiler, linker, build):
    """None, or why it failed."""
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    flag = f"-fuse-ld={linker}"
    why = step(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                "-DLASTCPU_BUILD_TESTS=OFF", "-DLASTCPU_BUILD_BENCH=OFF", f"-DCMAKE_CXX_COMPILER={compiler}",
                f"-DLASTCPU_KERNEL_LINKER={linker}"],
               build / "configure.log")
    if why is None:
        why = step(["cmake", "--build", build, "--verbose", "-j", "2", "--target", *TARGETS], build / "build.log")
    if why is not None:
        return why
    if (build / "build.log").read_text(encoding="utf-8").count(flag) < len(TARGETS):
        return f"{flag} did not reach both links; see {build / 'build.log'}"
    kernel = Kernel.example_of_build(build)
    log = build / "boot.log"
    ended = qemu.run(BOOT, kernel, log)
    problems = verdict.judge(BOOT, example.PANICS, ended, kernel.text)
    return qemu.explain(BOOT, ended, problems, log, f"the same with the files in {build}") if problems else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--new-clang", default="clang++-19")
    o = parser.parse_args()
    qemu.require_qemu()
    passed = failed = 0
    for compiler in dict.fromkeys(("g++", "clang++", o.new_clang)):
        for linker in LINKERS:
            why = try_cell(compiler, linker, o.scratch / f"{compiler}-{linker}")
            passed, failed = passed + (why is None), failed + (why is not None)
            print(f"{compiler} with {linker}: {'ok' if why is None else 'FAILED: ' + why}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
