# SPDX-License-Identifier: BSL-1.0
"""Judges a core of a dead kernel by what gdb, readelf, eu-readelf and drgn make of it. No problem: it is as good as it looks.

    problems = judge.judge(core, kernel, judge.Expected({0: judge.Cpu(("panic_as", "work::idle")), ...}, crashed=0))

As a program it shows what it finds: judge.py CORE KERNEL [CPUS].
"""
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools/lib"))

import handover  # noqa: E402
import vmcore  # noqa: E402

SYSTEM_PYTHON = "/usr/bin/python3"  # the one that Debian's python3-drgn is for
SECONDS = 120
ENTRY = r"\benter_high_half\b"  # of each CPU of the example kernel
DRGN = """
import sys, drgn
core, kernel, slide, name = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
program = drgn.Program()
program.set_core_dump(core)
if program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL: print("problem: it takes it for Linux")
program.load_debug_info([kernel])
if slide == 0:
    thing = program[name]
    bytes_read = program.read(thing.address_, drgn.sizeof(thing))
    print("global:", name, len(bytes_read), any(bytes_read))
for thread in program.threads():
    print("thread:", thread.tid)
    print(program.stack_trace(thread.tid))
"""


@dataclass(frozen=True)
class Cpu:
    """Functions that the backtrace of a CPU has, each as a regular expression for a part of a name, in this order from the
    innermost on; others may stand between them."""
    functions: tuple = ()


@dataclass(frozen=True)
class Expected:
    cpus: dict              # {number: Cpu}: a thread for each of them, and no other
    crashed: int | None = None  # who has to be gdb's first thread, and the handover's; None: not known
    entry: str = ENTRY      # a regular expression for the function with which the backtrace of each ends
    variable: str = "machine"  # a global variable of the kernel that drgn reads; not all of it is zero
    slide: int = 0          # run-time minus link-time address of the kernel
    has_handover: bool = True
    nameless: frozenset = frozenset()  # CPUs that run what is no function: a frame may be without a name
    drgn: bool = True


def judge(core, kernel, expected):
    """What is wrong with the file `core`, as sentences; empty when nothing is."""
    problems = list(judge_file(core, expected))
    if problems:
        return problems
    problems += judge_readelf("readelf", core, expected)
    problems += judge_readelf("eu-readelf", core, expected)
    problems += judge_gdb(core, kernel, expected)
    if expected.drgn:
        problems += judge_drgn(core, kernel, expected)
    return problems


def judge_file(path, expected):
    try:
        with vmcore.Core(path) as core:
            if core.missing():
                yield core.missing()
            found = handover.of_core(core)
            if found is not None and (odd := handover.headers_in_words(core, found)):
                yield odd  # tools/gdb-vmcore would refuse it
    except vmcore.BadCore as error:
        yield str(error)
        return
    if expected.has_handover:
        yield from judge_handover(found, expected)
    elif found is not None:
        yield "it has a handover, and can't have one"


def judge_handover(found, expected):
    if found is None:
        yield "it has no note LASTCPU: no handover"
        return
    if not found.seal_is_right:
        yield found.seal_in_words()
    if found.core_in_words():
        yield found.core_in_words()
    crashing = [c.number for c in found.cpus if c.has(handover.CRASHING)]
    if expected.crashed is not None and crashing != [expected.crashed]:
        yield f"by the handover the CPUs that crashed are {crashing}, not {[expected.crashed]}"


def run(*command):
    """(what it wrote to stdout, what it complained of, as sentences)"""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
                               stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return "", [f"{command[0]} is not installed"]
    except subprocess.TimeoutExpired:
        return "", [f"{command[0]} took more than {SECONDS} s"]
    complaints = [line for line in ended.stderr.splitlines() if line.strip()]
    complaints += [line for line in ended.stdout.splitlines() if re.match(r"(?i)(.*: )?(warning|error)\b", line)]
    if ended.returncode != 0 and not complaints:
        complaints.append(f"exit status {ended.returncode}")
    return ended.stdout, [f"{Path(command[0]).name} says: {line}" for line in complaints[:5]]


def judge_readelf(program, core, expected):
    out, problems = run(program, "-h", "-n", "-l", str(core))
    yield from problems
    notes = len(re.findall(r"^\s+CORE\s.*PRSTATUS", out, re.MULTILINE))
    if notes != len(expected.cpus):
        yield f"{program} finds registers of {notes} CPUs, not of {len(expected.cpus)}"
    if not re.search(r"^\s+LOAD\s", out, re.MULTILINE):
        yield f"{program} finds no memory"


def gdb_command(core, kernel, slide):
    """Without the kernel as gdb's program: it would answer from that file what the core lacks."""
    settings = ("set width 0", "set height 0", "set print frame-arguments presence", "set confirm off")
    name = str(kernel).replace("\\", "\\\\").replace('"', '\\"')
    commands = (*settings, f'symbol-file -o {slide:#x} "{name}"', "thread", "thread apply all bt 200")
    return ("gdb", "-nx", "-batch", f"--core={core}", *(word for command in commands for word in ("-ex", command)))


def backtraces(text):
    """({thread number: [function names]}, {thread number: why it stopped}, the first thread)"""
    frames, stopped, current, first = {}, {}, None, None
    for line in text.splitlines():
        if found := re.match(r"\[Current thread is \d+ \(LWP (\d+)\)\]", line):
            first = int(found.group(1))
        elif found := re.match(r"Thread \d+ (?:\".*\" )?\(LWP (\d+)\):", line):
            current = int(found.group(1))
            frames.setdefault(current, [])
        elif line.startswith("Backtrace stopped") and current is not None:
            stopped[current] = line
        elif found := re.match(r"#\d+ +(?:0x[0-9a-f]+ in )?(.+?)(?: \((?:\.\.\.)?\))?(?: (?:at|from) .*)?$", line):
            if current is not None:
                frames[current].append(found.group(1))
    return frames, stopped, first


def judge_gdb(core, kernel, expected):
    text, problems = run(*gdb_command(core, kernel, expected.slide))
    yield from problems
    frames, stopped, first = backtraces(text)
    threads = {number + 1 for number in expected.cpus}
    for thread in sorted(threads - set(frames)):
        yield f"gdb has no thread for CPU {thread - 1}"
    for thread in sorted(set(frames) - threads):
        yield f"gdb has a thread {thread}, and there is no CPU {thread - 1}"
    if expected.crashed is not None and first != expected.crashed + 1:
        yield f"gdb begins with thread {first}, and CPU {expected.crashed} crashed"
    for thread in sorted(threads & set(frames)):
        yield from judge_backtrace(thread - 1, frames[thread], stopped.get(thread), expected)


def judge_backtrace(number, names, stopped, expected):
    if stopped:
        yield f"CPU {number}: gdb says: {stopped}"
    if not names or not re.search(expected.entry, names[-1]):
        yield f"CPU {number}: its backtrace ends with {names[-1] if names else 'nothing'}, not with {expected.entry}"
    if "??" in names and number not in expected.nameless:
        yield f"CPU {number}: frame #{names.index('??')} has no name"
    at = 0
    for wanted in expected.cpus[number].functions:
        found = next((i for i in range(at, len(names)) if re.search(wanted, names[i])), None)
        if found is None:
            yield f"CPU {number}: {wanted} is not in its backtrace, or not in this place: {' < '.join(names)}"
            return
        at = found + 1


def judge_drgn(core, kernel, expected):
    out, problems = run(SYSTEM_PYTHON, "-c", DRGN, str(core), str(kernel), str(expected.slide), expected.variable)
    if problems:
        yield problems[-1].replace("python3", "drgn")  # the last line of a traceback has the reason
        return
    yield from re.findall(r"^problem: (.*)", out, re.MULTILINE)
    if expected.slide:
        return  # its symbols can't be moved: the memory is what it opens
    found = re.search(r"^global: \S+ (\d+) (True|False)$", out, re.MULTILINE)
    if not found or found.group(2) != "True":
        yield f"drgn reads the variable {expected.variable} as zeros"
    stacks = {int(tid): stack for tid, stack in re.findall(r"^thread: (\d+)\n((?:#.*\n?)*)", out, re.MULTILINE)}
    for number in sorted(expected.cpus):
        if not re.search(expected.entry, stacks.get(number + 1, "")) and number not in expected.nameless:
            yield f"drgn does not get from CPU {number} down to {expected.entry}"


def opens(core, kernel):
    """What is wrong with a core that need not be whole, in tools/gdb-vmcore: it is to tell who crashed."""
    tool = Path(__file__).resolve().parents[3] / "tools/gdb-vmcore"
    ended = subprocess.run([tool, core, kernel, "-nx", "-batch", "-ex", "lastcpu"], capture_output=True, text=True,
                           errors="replace", timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    if ended.returncode != 0 or not re.search(r"^cpu \d+ crashed: ", ended.stdout, re.MULTILINE):
        yield f"gdb-vmcore does not tell who crashed: {ended.stderr or ended.stdout}"


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    core, kernel = sys.argv[1:3]
    text, complaints = run(*gdb_command(core, kernel, 0))
    print(text, *complaints, sep="\n")
    if len(sys.argv) == 4:
        expected = Expected({n: Cpu() for n in range(int(sys.argv[3]))}, has_handover=False)
        problems = judge(core, kernel, expected)
        print(*problems, f"{len(problems)} problems", sep="\n")
        return 1 if problems else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
