# SPDX-License-Identifier: BSL-1.0
"""What is looked at: every file of the examples, programs that make use of every template, and every header."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402

INCLUDE = ("-I", str(ROOT / "include"))
HOSTED_FLAGS = ("-std=c++20", *INCLUDE)
KERNEL_FLAGS = (*compilers.KERNEL, "-mcmodel=kernel", *INCLUDE, "-I", str(ROOT / "examples/kernel"), "-I",
                str(ROOT / "examples/crash_kernel"))


def hosted_examples() -> list:
    return [ROOT / "examples" / name / "main.cpp" for name in ("capture", "crash_reporter", "posix")]


def kernel_sources() -> list:
    folders = ("kernel", "crash_kernel", "linux_capture")
    return sorted(path for folder in folders for path in (ROOT / "examples" / folder).rglob("*.cpp"))


def c_instances() -> list:
    return [HERE.parent / f"freestanding/{name}.cpp" for name in ("c_instance", "c_crash_instance")]


def programs() -> list:
    return [HERE.parent / f"freestanding/{name}.cpp" for name in ("whole", "whole_options", "whole_x86_64")]


def every_header(directory: Path) -> Path:
    """A file that includes all of them but those of the C interface, which define functions and are included once."""
    names = sorted(path.relative_to(compilers.INCLUDE).as_posix() for path in compilers.INCLUDE.rglob("*.hpp")
                   if path.parent.name != "c")
    source = directory / "every_header.cpp"
    source.write_text("".join(f"#include <{name}>\n" for name in names), encoding="utf-8")
    return source
