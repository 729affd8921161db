# SPDX-License-Identifier: BSL-1.0
"""How many bytes of code, memory and stack a kernel on bare x86-64 pays, compiled with -Os, and that it stays so.

Text is the sum of all functions but the digest's, which have a budget of their own: a kernel chooses its digest. RAM
per CPU is what one more CPU adds to everything that is written to: the machine, and what its platform keeps.
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

FLAGS = (*compilers.KERNEL, "-mcmodel=kernel", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
         "-fno-asynchronous-unwind-tables", "-Os")
# The port has the digest's name in its own, as a template argument: only what computes the digest counts as that.
DIGEST = re.compile(r"^(?:\w+ )*lastcpu::(?:kexec::(?:xxh64|image_intact|detail::(?:rotate|digest_of))|"
                    r"x86_64<.*>::image_intact\()")
REGISTERS = 168
CONTROL = 64  # CR0 to CR4, the bases of FS and GS, ...: x86-64's
TEXTS = 3 * 124

# Bytes: 7 KiB, or what is reached and 1.5 % more. The notes of the core and the control words of each CPU take about 500
# of it.
BUDGET = {"g++": {"text": 6696, "whole": 7168, "digest": 1408}, "clang++": {"text": 7168, "whole": 7872, "digest": 1408}}
MEANING = {"text": "gate, stop, crash_kexec", "whole": "with panic(), nmi_panic()", "digest": "XXH64"}
RAM_PER_CPU = 64  # beside the saved registers, control words and texts
MANY_CPUS = 4096
STACK = ("-DWHOLE", "-fstack-usage")
STACK_FRAME = 1024  # bytes, the largest with so many CPUs; the stack of an exception may have 4096




def compiled(compiler, cpus, *more):
    """(the step that compiles, the object)"""
    output = file_name(compiler, str(cpus), *more) + ".o"
    command = (compiler, *FLAGS, f"-DMAX_CPUS={cpus}", *more, "-I", str(compilers.INCLUDE), "-c",
               str(HERE / "crash_path.cpp"), "-o", output)
    return Step(command, shared=True), output


def sizes(*objects):
    return ("nm", "-S", "-C", "-t", "d", *objects)


def symbols(text):
    """[(bytes, type, name)]"""
    found = re.findall(r"^\d+ (\d+) (\w) (.+)$", text, re.MULTILINE)
    return [(int(size), kind.lower(), name) for size, kind, name in found]


def code(text, digest):
    return sum(size for size, kind, name in symbols(text) if kind in "tw" and bool(DIGEST.search(name)) == digest)


def keeps(what, most, measure, unit="bytes"):
    """What measure(text) finds in the output is more than nothing, and within its budget."""

    def check(result):
        if wrong := matrix.succeeds(result):
            return wrong
        found = measure(result.text)
        print(f"{what}: {found:,} {unit} of {most:,}", flush=True)
        return None if 0 < found <= most else f"{found:,} {unit}, the budget is {most:,}"

    return check


def code_cells(compiler):
    cells = []
    budget = BUDGET["clang++" if "clang" in compiler else "g++"]
    for name, more, digest in (("text", (), False), ("whole", ("-DWHOLE",), False), ("digest", ("-DWHOLE",), True)):
        made, output = compiled(compiler, 64, *more)
        what = f"{compiler}: code, {MEANING[name]}"
        check = keeps(what, budget[name], lambda text, digest=digest: code(text, digest))
        cells.append(Cell(what, (made, Step(sizes(output), check, shared=True))))
    return cells


def stack_cell(compiler):
    made, output = compiled(compiler, MANY_CPUS, *STACK)
    what = f"{compiler}: largest stack frame with {MANY_CPUS:,} CPUs"
    frames = Step(("cut", "-f2", output.removesuffix(".o") + ".su"),
                  keeps(what, STACK_FRAME, lambda text: max(map(int, text.split()), default=0)))
    return Cell(what, (made, frames))


def ram_cell(compiler):
    few, many = compiled(compiler, 64, "-DWHOLE"), compiled(compiler, MANY_CPUS, *STACK)

    def per_cpu(text):
        few_bytes, many_bytes = (sum(size for size, kind, _ in symbols(of_one) if kind in "bdu")
                                 for of_one in re.split(r"^\S+\.o:$", text, flags=re.MULTILINE)[-2:])
        return (many_bytes - few_bytes) // (MANY_CPUS - 64) - REGISTERS - CONTROL - TEXTS

    what = f"{compiler}: RAM per CPU beside {REGISTERS} bytes of registers, {CONTROL} of control words and {TEXTS} of texts"
    return Cell(what, (few[0], many[0], Step(sizes(few[1], many[1]), keeps(what, RAM_PER_CPU, per_cpu))))


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    missing += compilers.require({"nm": "binutils"})
    cells = [cell for compiler in found for cell in (*code_cells(compiler), stack_cell(compiler))]
    return matrix.run([*cells, ram_cell(found[0])] if found else [], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
