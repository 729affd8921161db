# SPDX-License-Identifier: BSL-1.0
"""The same kernel by another way: GRUB, on the BIOS of a PC, from a CD, by Multiboot2."""
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import boot as qemu
import scenarios
import verdict
from boot import Boot

SENTENCE = "a_panic_under_grub_starts_the_crash_kernel"
BOOTS = (Boot("panic", 2), Boot("panic", 4, "pc"), Boot("oops", 1), Boot("no_image", 2, image="none"))
NEEDED = {"grub-mkrescue": "grub-common", "xorriso": "xorriso", "mformat": "mtools"}
GRUB_PC = "/usr/lib/grub/i386-pc"


def require_grub():
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if not os.path.isdir(GRUB_PC):
        missing.append("grub-pc-bin")
    if missing:
        sys.exit(f"no CD with GRUB can be made; on Debian or Ubuntu: apt-get install {' '.join(missing)}")


def make_iso(boot, kernel, folder):
    """A CD that boots `boot`."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "root" / "boot" / "grub").mkdir(parents=True)
    shutil.copy(kernel.elf, folder / "root" / "kernel.elf")
    shutil.copy(kernel.crash_elf, folder / "root" / "crash_kernel.elf")
    module = "" if boot.image == "none" else "module2 /crash_kernel.elf\n"
    (folder / "root" / "boot" / "grub" / "grub.cfg").write_text(
        f"multiboot2 /kernel.elf {qemu.words_of(boot)}\n{module}boot\n", encoding="utf-8")
    iso = folder / "cd.iso"
    made = subprocess.run(["grub-mkrescue", "-d", GRUB_PC, "-o", str(iso), str(folder / "root")], capture_output=True,
                          text=True, check=False)
    if made.returncode != 0 or not iso.is_file():
        sys.exit(f"grub-mkrescue failed:\n{made.stdout}{made.stderr}")
    return iso


def holes_in(elf):
    """The physical ranges between its segments. GRUB leaves what it has to say there, and the kernel does not map it."""
    loaded = sorted((at, at + bytes_) for _, _, at, bytes_ in qemu.loaded_by(elf))
    return [f"{end:#x} to {at:#x}" for (_, end), (at, _) in zip(loaded, loaded[1:]) if at != end]


def run(kernel, logs, _options):
    """(passed, failed)"""
    require_grub()
    passed = 0
    if holes := holes_in(kernel.elf):
        print(f"FAILED: {kernel.elf} has holes between its segments: {', '.join(holes)}; next: pad them in kernel.ld")
        return 0, 1
    for i, b in enumerate(BOOTS):
        log, folder = logs / f"{i}.log", logs / f"{i}-cd"
        b = replace(b, iso=make_iso(b, kernel, folder))
        ended = qemu.run(b, kernel, log)
        problems = verdict.judge(b, scenarios.BY_NAME[b.scenario], ended, kernel)
        if problems:
            print(qemu.explain(b, ended, problems, log, "boot_test.py --group grub --build BUILD"))
        else:
            print(f"ok: {b}, {ended.seconds:.1f} s", flush=True)
            shutil.rmtree(folder)
        passed += not problems
    return passed, len(BOOTS) - passed
