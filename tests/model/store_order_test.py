# SPDX-License-Identifier: BSL-1.0
"""Compiles store_order.cpp with each compiler and level and runs it: store_order_test.py INCLUDE SOURCE DIRECTORY CXX..."""
import pathlib
import subprocess
import sys

include, source, directory = sys.argv[1:4]
program = pathlib.Path(directory) / "store_order"
bad = 0
cells = [(cxx, level) for cxx in sys.argv[4:] for level in ("-O0", "-O1", "-O2", "-O3", "-Os")]
for cxx, level in cells:
    # No red zone: the program pushes its flags where the compiler keeps variables otherwise.
    subprocess.run([cxx, level, "-std=c++20", "-mno-red-zone", "-Wall", "-Wextra", "-Werror", "-I", include, source, "-o",
                    str(program)], check=True)
    ran = subprocess.run([str(program)], timeout=30, check=False, capture_output=True, text=True)
    print(f"{cxx} {level}: {'ok' if ran.returncode == 0 else 'FAILED'}: {ran.stdout.strip()}")
    bad += ran.returncode != 0
print(f"{len(cells) - bad} passed, {bad} failed")
sys.exit(bad != 0)
