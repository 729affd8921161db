# SPDX-License-Identifier: BSL-1.0
"""Judges one boot of a kernel on the C interface by what it wrote to its serial line. No problem: it passed."""
import re

from c_kernels import panicking, words

CPU_LINE = re.compile(r"lastcpu: CPU (\d+) (panicked, CPUs known: (\d+)|lost the race|stopped by irq|stopped by nmi)"
                      r"(?:: (.+))?")
OWN_WORDS = (re.compile(r"kernel: CPU (\d+) dies: (.+)"), re.compile(r"kernel: at 0x[0-9a-f]+, stack 0x[0-9a-f]+"))
NMIS = re.compile(r"kernel: (\d+) NMIs, (\d+) of them with the program's GS in the kernel")


def what_it_says(boot, cpu):
    """A part of the message of a CPU that panics."""
    runs_init = words(boot).get("init") == str(cpu)
    return f"init on CPU {cpu} died of invalid opcode" if runs_init else f"as asked, on CPU {cpu}"


def judge(boot, ended):
    if ended.status is None:
        return ["it hangs"]
    problems = [] if ended.status == 0 else [f"QEMU ended with {ended.status}, not by a restart"]
    lines = ended.log[ended.log.find("kernel: "):].splitlines()  # behind what a boot loader says
    first = next((i for i, line in enumerate(lines) if line.startswith("lastcpu: ")), len(lines))
    return problems + judge_boot(boot, lines[:first]) + judge_report(boot, lines[first:]) + judge_owner(lines, first)


def judge_boot(boot, lines):
    problems = [] if lines[:1] == [f"kernel: {boot.cpus} CPUs"] else [f"it does not see {boot.cpus} CPUs: {lines[:1]}"]
    lines = lines[1:]
    if "nmis" in words(boot):
        counts = NMIS.fullmatch(lines.pop(0)) if lines else None
        if counts is None or counts[1] != words(boot)["nmis"] or counts[2] == "0":
            problems.append("its NMIs did not arrive, or none of them before or behind a swapgs")
    strange = [line for line in lines if not any(words.fullmatch(line) for words in OWN_WORDS)]
    return problems + [f"not a line of this kernel: {line}" for line in strange]


def judge_owner(lines, first):
    """Who reports has said so itself, once, and first."""
    said = [match[1] for match in map(OWN_WORDS[0].fullmatch, lines) if match]
    report = CPU_LINE.fullmatch(lines[first]) if first < len(lines) else None
    if report and said == [report[1]]:
        return []
    return [f"CPU {said} said that it dies, and the report begins with {lines[first:first + 1]}"]


def judge_report(boot, lines):
    """One report: who panicked first, then each other CPU, once; every message of a panic is there, and whole."""
    problems, cpus = [], []
    for line in lines:
        match = CPU_LINE.fullmatch(line)
        if match is None:
            problems.append(f"not a line of the report: {line}")
            continue
        cpu, what, message = int(match[1]), match[2], match[4]
        cpus.append(cpu)
        if (cpus == [cpu]) != what.startswith("panicked"):
            problems.append(f"line {len(cpus)} of the report: {line}")
        if match[3] not in (None, str(boot.cpus)):
            problems.append(f"{match[3]} CPUs are known, not {boot.cpus}")
        if cpu in panicking(boot) and what_it_says(boot, cpu) not in (message or ""):
            problems.append(f"the message of CPU {cpu} is not there, or not whole: {line}")
        if cpu not in panicking(boot) and (message or not what.startswith("stopped")):
            problems.append(f"CPU {cpu} did not panic: {line}")
    if sorted(cpus) != list(range(boot.cpus)):
        problems.append(f"the report names the CPUs {cpus}")
    return problems
