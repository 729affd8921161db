# SPDX-License-Identifier: BSL-1.0
"""The compilers of the tests that bring their own, and the flags that several of them use."""

import os
import shutil
import sys
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[3] / "include"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
FREESTANDING = ("-std=c++20", "-ffreestanding", "-nostdinc++", "-fno-exceptions", "-fno-rtti",
                "-fno-threadsafe-statics")
KERNEL = (*FREESTANDING, "-mno-red-zone", "-mgeneral-regs-only")  # on x86-64


def package_of(program: str) -> str:
    name, _, version = program.partition("++")
    return "clang" + version if name == "clang" else program


def find(required: tuple, optional: tuple = ()) -> tuple:
    """(compilers to use, complaints). One compiler under two names is used once."""
    found, seen, missing = [], set(), []
    for program in dict.fromkeys((*required, *optional)):
        path = shutil.which(program)
        if path is None:
            if program in required:
                missing.append(f"{program} is not installed; next: apt-get install {package_of(program)}")
        elif os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            found.append(program)
    return found, missing


def require(packages: dict) -> list:
    return [f"{program} is not installed; next: apt-get install {package}"
            for program, package in packages.items() if shutil.which(program) is None]


def from_command_line(usage: str) -> tuple:
    """(build directory, newest clang) from `SCRIPT DIRECTORY [--new-clang PROGRAM]`."""
    arguments = sys.argv[1:]
    new_clang = "clang++-19"
    if len(arguments) == 3 and arguments[1] == "--new-clang":
        new_clang = arguments.pop()
        arguments.pop()
    if len(arguments) != 1 or arguments[0].startswith("-") or not new_clang:
        sys.exit(f"{usage}\n\nusage: {Path(sys.argv[0]).name} BUILD_DIRECTORY [--new-clang PROGRAM]")
    directory = Path(arguments[0]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory, new_clang
