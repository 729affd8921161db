# SPDX-License-Identifier: BSL-1.0
"""The example kernel and its crash kernel build with each compiler and link with each linker, and what comes out boots,
and gdb sees each CPU of it down to its entry.

What a compiler makes is the same for each linker: each compiler compiles once, and each linker links that.
"""
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "compile/matrix"))

import boot as qemu  # noqa: E402
import compilers  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

TARGETS = ("lastcpu_example_kernel", "lastcpu_example_crash_kernel", "lastcpu_example_linux_shim",
           "lastcpu_example_capture_init")
JUDGE = "lastcpu_trace_promises"  # no kernel: linked as the compiler does by itself
PROGRAMS = ("examples/kernel/lastcpu_kernel.elf", "examples/crash_kernel/lastcpu_crash_kernel.elf",
            "examples/crash_kernel/lastcpu_crash_kernel.bin", "examples/crash_kernel/lastcpu_crash_kernel_pie.elf",
            f"tests/support/{JUDGE}")
LINKERS = ("bfd", "lld")


def links_all_with(linker):
    def check(result):
        links = result.text.count(f"-fuse-ld={linker}")
        return matrix.succeeds(result) or (None if links >= len(TARGETS) else f"{links} links have -fuse-ld={linker}")

    return check


def link_step(compiler, build, linker):
    """Leaves the programs in BUILD-LINKER. What is compiled already is only linked again."""
    folder = f"{build}-{linker}"
    commands = (("cmake", "-S", str(ROOT), "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 "-DLASTCPU_BUILD_TESTS=OFF", "-DLASTCPU_BUILD_BENCH=OFF", f"-DCMAKE_CXX_COMPILER={compiler}",
                 f"-DLASTCPU_KERNEL_LINKER={linker}"),
                ("cmake", "--build", build, "--verbose", "-j", "1", "--target", *TARGETS, JUDGE),
                ("mkdir", "-p", folder), ("cp", *(f"{build}/{program}" for program in PROGRAMS), folder))
    return Step(("sh", "-c", " && ".join(map(shlex.join, commands))), links_all_with(linker), shared=True, seconds=300)


def cells_of(compiler):
    """The steps of a linker come behind those of the linkers before it: they share a build directory."""
    build, steps, cells = file_name(compiler), [Step(("rm", "-rf", file_name(compiler)), shared=True)], []
    for linker in LINKERS:
        steps.append(link_step(compiler, build, linker))
        boot = Step((sys.executable, str(HERE / "example.py"), f"{build}-{linker}"), seconds=90)
        dump = Step((sys.executable, str(HERE.parent / "dump/qemu_test.py"), f"{build}-{linker}", "--example"), seconds=90)
        cells.append(Cell(f"{compiler} with {linker}", (*steps, boot, dump)))
    return cells


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    qemu.require_qemu()
    found, missing = compilers.find(("g++", "clang++", new_clang))
    missing += compilers.require({"ld.bfd": "binutils", "ld.lld": "lld"})
    by_compiler = [cells_of(compiler) for compiler in found]
    # Two at a time: two compilers, not twice the same one.
    return matrix.run([cell for cells in zip(*by_compiler) for cell in cells], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
