# SPDX-License-Identifier: BSL-1.0
"""How many instructions the gate's operations execute.

operations.cpp is compiled with each compiler as a kernel is, linked with twin.S, which does the same by hand, and run
under callgrind. Ours may take a few instructions more than the twin. One locked instruction is executed where the gate
changes hands, and nowhere else: a claim that loses has none, nor has anything that runs while nobody panics.
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

FLAGS = (*compilers.KERNEL, "-O2", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
         "-fno-asynchronous-unwind-tables")
# In the order of the table in operations.cpp: what is done, the function that does it, how many instructions more
# than the twin it may take, locked instructions.
OPERATIONS = (("claim, won", "claim_trial", 3, 1),
              ("final claim, won", "claim_final", 3, 1),
              ("claim, lost", "claim_trial", 3, 0),
              ("final claim, lost", "claim_final", 3, 0),
              ("release", "release", 3, 1),
              ("in_progress, open", "in_progress", 0, 0),
              ("in_progress, held", "in_progress", 0, 0),
              ("on_this_cpu, open", "on_this_cpu", 3, 0),
              ("on_other_cpu, open", "on_other_cpu", 3, 0),
              ("handle_nmi, open", "handle_nmi", 3, 0),
              ("handle_nmi, held", "handle_nmi", 3, 0),
              ("handle_stop_irq, open", "handle_stop_irq", 3, 0))


FUNCTIONS = [f"{side}_{name}" for _, name, _, _ in OPERATIONS for side in ("ours", "twin")]  # in the order of the dumps


def agrees_with_the_twin(result):
    if result.status == 0:
        return None
    what = OPERATIONS[result.status - 1][0] if result.status <= len(OPERATIONS) else f"status {result.status}"
    return (f"{what}: ours and the twin do not both give the expected answer and leave the same word behind; after a "
            "change of the word bring twin.S up to date")


def callgrind(program, out):
    dump_after = [f"--dump-after={function}" for function in dict.fromkeys(FUNCTIONS)]
    return ("valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
            f"--callgrind-out-file={out}", "--toggle-collect=ours_*", "--toggle-collect=twin_*", *dump_after,
            f"./{program}")


def executed(out, number):
    """{address: how often}, of one part of callgrind's output; None if it is not that of the function. The line behind
    `calls=` sums up what was called."""
    part = Path(f"{out}.{number + 1}")
    dump = part.read_text(encoding="utf-8") if part.is_file() else ""
    if f"Trigger: --dump-after={FUNCTIONS[number]}\n" not in dump:
        return None
    lines = re.sub(r"^calls=.*\n.*\n", "", dump, flags=re.MULTILINE)
    return {int(at, 16): int(times) for at, times in re.findall(r"^(0x[0-9a-f]+) \d+ (\d+)$", lines, re.MULTILINE)}


def is_locked(text):
    return text.startswith(("lock", "mfence")) or (text.startswith("xchg") and "(" in text)


def keeps_to_its_count(compiler, number, out):
    """objdump: what callgrind counted for this operation."""
    what, function, spare, locks = OPERATIONS[number]

    def check(result):
        if wrong := matrix.succeeds(result):
            return wrong
        listing = {int(at, 16): text for at, text in re.findall(r"^ +([0-9a-f]+):\t(.+)$", result.text, re.MULTILINE)}
        ours, twin = executed(out, 2 * number), executed(out, 2 * number + 1)
        if not ours or not twin:
            return f"callgrind counted nothing for {function}; compare OPERATIONS with operations.cpp"
        taken, least = sum(ours.values()), sum(twin.values())
        locked = sum(is_locked(listing[at]) for at in ours)
        print(f"{compiler:12} {what:24} {taken:5} {least:5} {locked:7}", flush=True)
        if taken <= least + spare and locked == locks:
            return None
        code = "".join(f"\n    {at:x}: {listing[at]}" for at in sorted(ours))
        return f"at most {least + spare} instructions and {locks} locked; executed were {taken} and {locked}:{code}\n  "

    return check


def cells_of(compiler, directory):
    program = file_name("operations", compiler)
    out = directory / f"{program}.callgrind"
    for old in directory.glob(f"{out.name}.*"):
        old.unlink()
    steps = (Step((compiler, *FLAGS, "-I", str(compilers.INCLUDE), "-static", "-nostdlib", str(HERE / "operations.cpp"),
                   str(HERE / "twin.S"), "-o", program), matrix.silently, shared=True),
             Step((f"./{program}",), agrees_with_the_twin, shared=True),
             Step(callgrind(program, out), shared=True))
    look = ("objdump", "-d", "--no-show-raw-insn", program)
    return [Cell(f"{compiler}: {operation[0]}",
                 (*steps, Step(look, keeps_to_its_count(compiler, number, out), shared=True)))
            for number, operation in enumerate(OPERATIONS)]


def main():
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    missing += compilers.require({"valgrind": "valgrind", "objdump": "binutils"})
    print(f"{'':12} {'instructions executed':24} {'ours':>5} {'twin':>5} {'locked':>7}")
    return matrix.run([cell for compiler in found for cell in cells_of(compiler, directory)], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
