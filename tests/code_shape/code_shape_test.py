# SPDX-License-Identifier: BSL-1.0
"""code_shape_test.py INCLUDE DIRECTORY CXX...: how many instructions the gate's operations execute.

operations.cpp is compiled with each compiler as a kernel is, linked with twin.S, which does the same by hand, and run
under callgrind. Ours may take a few instructions more than the twin. One locked instruction is executed where the gate
changes hands, and nowhere else: a claim that loses has none, nor has anything that runs while nobody panics.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-std=c++20", "-O2", "-ffreestanding", "-nostdinc++", "-fno-exceptions", "-fno-rtti",
         "-fno-threadsafe-statics", "-mno-red-zone", "-mgeneral-regs-only", "-fno-pic", "-fno-stack-protector",
         "-fcf-protection=none", "-fno-asynchronous-unwind-tables")
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


def run(*command):
    if shutil.which(command[0]) is None:
        sys.exit(f"FAILED: there is no {command[0]}; tools/test installs what is missing, and lists it elsewhere")
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        command = " ".join(map(str, command))
        sys.exit(f"FAILED: {command}\nended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compiled(compiler, include, directory):
    program = directory / f"operations_{compiler.replace('+', 'x')}"
    run(compiler, *FLAGS, "-I", include, "-static", "-nostdlib", HERE / "operations.cpp", HERE / "twin.S", "-o", program)
    differs = subprocess.run([program], check=False, timeout=60).returncode
    if differs != 0:
        what = OPERATIONS[differs - 1][0] if 0 < differs <= len(OPERATIONS) else f"status {differs}"
        sys.exit(f"FAILED: {program}: {what}: ours and the twin do not both give the expected answer and leave the same "
                 "word behind; after a change of the word bring twin.S up to date")
    return program


def instructions(program):
    """{address: text}"""
    listing = run("objdump", "-d", "--no-show-raw-insn", program)
    return {int(at, 16): text for at, text in re.findall(r"^ +([0-9a-f]+):\t(.+)$", listing, re.MULTILINE)}


def executed(dump):
    """{address: how often}, of one part of callgrind's output. The line behind `calls=` sums up what was called."""
    lines = re.sub(r"^calls=.*\n.*\n", "", dump, flags=re.MULTILINE)
    return {int(at, 16): int(times) for at, times in re.findall(r"^(0x[0-9a-f]+) \d+ (\d+)$", lines, re.MULTILINE)}


def parts(program):
    """One {address: how often} for each operation: ours, the twin's, ours, ..."""
    out = program.parent / f"{program.name}.callgrind"
    for old in out.parent.glob(f"{out.name}.*"):
        old.unlink()
    functions = [f"{side}_{name}" for _, name, _, _ in OPERATIONS for side in ("ours", "twin")]
    dump_after = [f"--dump-after={function}" for function in dict.fromkeys(functions)]
    run("valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
        f"--callgrind-out-file={out}", "--toggle-collect=ours_*", "--toggle-collect=twin_*", *dump_after, program)
    dumps = [Path(f"{out}.{n + 1}").read_text(encoding="utf-8") for n in range(len(functions))]
    for function, dump in zip(functions, dumps):
        if f"Trigger: --dump-after={function}\n" not in dump:
            sys.exit(f"FAILED: {program}: no dump behind {function}; compare OPERATIONS with operations.cpp")
    return [executed(dump) for dump in dumps]


def is_locked(text):
    return text.startswith(("lock", "mfence")) or (text.startswith("xchg") and "(" in text)


def check(compiler, program):
    """Prints a line for each operation; the verdicts."""
    listing = instructions(program)
    found = parts(program)
    verdicts = []
    for (what, _, spare, locks), ours, twin in zip(OPERATIONS, found[0::2], found[1::2]):
        taken, least = sum(ours.values()), sum(twin.values())
        locked = [listing[at] for at in ours if is_locked(listing[at])]
        verdicts.append(0 < least and 0 < taken <= least + spare and len(locked) == locks)
        print(f"{compiler:12} {what:24} {taken:5} {least:5} {len(locked):7}{'' if verdicts[-1] else '  FAILED'}")
        if not verdicts[-1]:
            print(f"  at most {least + spare} instructions and {locks} locked; executed were:")
            print("".join(f"    {at:x}: {listing[at]}\n" for at in sorted(ours)), end="")
    return verdicts


def main():
    include, directory = sys.argv[1], Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    print(f"{'':12} {'instructions executed':24} {'ours':>5} {'twin':>5} {'locked':>7}")
    verdicts = [v for c in sys.argv[3:] for v in check(c, compiled(c, include, directory))]
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    return 0 if verdicts and all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
