#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Counts what the author of a kernel on the C interface writes: lines with code, comments and empty lines left out."""
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.DOTALL)
DUMP = "crash.c"  # what it has for its dump alone, and where it finds memory and the module
BOOT = "boot_info.c"
ENDS = {"lastcpu_config.h", "lastcpu.cpp", "lastcpu.rs", "panic.c", "panic.rs"}  # what a kernel has for its end alone


def code_lines(path):
    return [line for line in COMMENT.sub("", path.read_text(encoding="utf-8")).splitlines() if line.strip()]


def counts(folder):
    """Lines for the kernel's end; lines elsewhere that name lastcpu, but for its dump; the rest in C or Rust; the rest in
    assembly."""
    out = [0, 0, 0, 0]
    for path in sorted((EXAMPLES / folder).iterdir()):
        if path.suffix not in (".c", ".h", ".cpp", ".rs", ".S"):
            continue
        if path.name == DUMP:
            continue
        lines = code_lines(path)
        if path.name in ENDS:
            out[0] += len(lines)
            continue
        named = sum("lastcpu" in line.lower() for line in lines)
        out[1] += named
        out[3 if path.suffix == ".S" else 2] += len(lines) - named
    return out


def main():
    print("lines of code: for its end, elsewhere naming lastcpu, the rest in C or Rust, the rest in assembly")
    for folder in ("c_kernel", "rust_kernel"):
        print(f"{folder}: " + ", ".join(map(str, counts(folder))))
    print("c_kernel's dump: " + ", ".join(f"{name} {len(code_lines(EXAMPLES / 'c_kernel' / name))}" for name in (DUMP, BOOT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
