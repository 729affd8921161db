# SPDX-License-Identifier: BSL-1.0
"""c_calls_test.py INCLUDE DIRECTORY CC CXX...: what a call through C costs more than the same in C++, in instructions
executed while nobody panics. At most two: a bool becomes an int."""
import subprocess
import sys
from pathlib import Path

import code_shape_test as shape

HERE = Path(__file__).resolve().parent
C_FLAGS = ("-std=c99", "-O2", "-ffreestanding", "-mno-red-zone", "-mgeneral-regs-only", "-fno-pic", "-fno-stack-protector",
           "-fcf-protection=none", "-fno-asynchronous-unwind-tables")
SPARE = 2
NAMES = ("handle_nmi", "handle_stop_irq", "in_progress", "on_this_cpu", "on_other_cpu")


def compiled(compiler, partner, include, directory):
    config = ("-I", include, "-I", HERE / "c_config")
    calls, instance = directory / f"c_calls_{compiler}.o", directory / f"c_instance_{compiler}.o"
    program = directory / f"c_calls_{compiler}"
    shape.run(compiler, *C_FLAGS, *config, "-c", HERE / "c_calls.c", "-o", calls)
    apart = () if "clang" in partner else ("-fno-ipa-icf",)  # gcc makes one function of two that are the same
    shape.run(partner, *shape.FLAGS, *apart, *config, "-c", HERE / "c_calls.cpp", "-o", instance)
    for linked in (calls, instance):  # named as check() looks for them
        shape.run("objcopy", *(f"--redefine-sym=lastcpu_{name}=ours_{name}" for name in NAMES), linked)
    shape.run(partner, "-static", "-nostdlib", calls, instance, "-o", program)
    if subprocess.run([program], check=False, timeout=60).returncode != 0:
        sys.exit(f"FAILED: {program}: C and C++ do not answer alike")
    return program


def main():
    include, directory = sys.argv[1], Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    shape.OPERATIONS = tuple((name, name, SPARE, 0) for name in NAMES)
    print(f"{'':12} {'instructions executed':24} {'C':>5} {'C++':>5} {'locked':>7}")
    pairs = zip(sys.argv[3::2], sys.argv[4::2])
    verdicts = [v for cc, cxx in pairs for v in shape.check(cc, compiled(cc, cxx, include, directory))]
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    return 0 if verdicts and all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
