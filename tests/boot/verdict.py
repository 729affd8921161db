# SPDX-License-Identifier: BSL-1.0
"""Reads the serial log of one boot line by line into facts, and judges them.

A line that nobody knows, a line in the wrong place and anything behind the last line are problems, as is every fact
that differs from what the scenario must end with. No problem: the boot passed.
"""
import re
from dataclasses import dataclass, field

import events
from events import Event

# What isa-debug-exit makes of the kernels' verdict codes: 2 * code + 1.
DONE_STATUS = 2 * 16 + 1     # the crash kernel is done
NOTHING_STATUS = 2 * 17 + 1  # the scenario `nothing` is
RESTART_STATUS = 0           # a reset under -no-reboot

ANSWERED = ("running", "parked", "by irq", "by nmi")
SPEAKERS = ("kernel: ", "oops: cpu ", "panic: cpu ", "crash: ", "trace: ")
LONGEST_MESSAGE = 127
LONGEST_PATH_US = 20_000_000  # panic to crash kernel; the bounds of the rungs and a loaded machine


@dataclass
class Cpu:
    crashing: bool
    state: str
    registers: bool
    rip: int = 0
    rsp: int = 0
    said: dict = field(default_factory=dict)  # "said", "said in NMI", "said nested": text
    frames: list = field(default_factory=list)
    cut_short: bool = False


@dataclass
class Facts:
    problems: list = field(default_factory=list)
    online: int = 0
    tsc_hz: int = 0
    scenario: str = ""
    seed: int = -1
    images: list = field(default_factory=list)  # "loaded", or why it was refused
    oopses: list = field(default_factory=list)
    panics: list = field(default_factory=list)  # (cpu, message), as Policy::report says
    not_started: list = field(default_factory=list)
    restarting: int = 0
    bye: bool = False
    torn: int = 0  # lines
    started: list = field(default_factory=list)  # microseconds
    cpus: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    done: tuple | None = None  # (CPUs, silent ones)


def number(text):
    return int(text, 0)


class Reader:
    """Takes one line after the other; `where` is what the line is allowed to belong to."""

    def __init__(self):
        self.facts = Facts()
        self.patterns = [(re.compile(p + "$"), m) for p, m in (
            (r"kernel: (\d+) cpus online, tsc (\d+) Hz", self.online),
            (r"kernel: scenario (\w+) seed (\d+)", self.scenario),
            (r"kernel: image loaded, (\d+) bytes", self.loaded),
            (r"kernel: image refused: (\S.*)", self.refused),
            (r"kernel: crash kernel not started: (\S.*)", self.not_started),
            (r"kernel: restarting", self.restarting),
            (r"oops: cpu (\d+) (\w[\w ]* at 0x[0-9a-f]+(?: address 0x[0-9a-f]+)?)", self.oops),
            (r"kernel: cpu (\d+) stopped (running|parked|by irq|by nmi|forced|silent|gone) registers (valid|missing)",
             self.stopped),
            (r"kernel: cpu (\d+) (said|said in NMI|said nested): (.*?)( \(cut short\))?", self.said),
            (r"panic: cpu (\d+): (\S.*)", self.panic),
            (r"kernel: cpu (\d+) was running (\S.*)", self.was_running),
            (r"kernel: nothing to do, bye", self.bye),
            (r"crash: started, panic to here (\d+) us", self.started),
            (r"crash: cpu (\d+) (crashing|stopped) (running|parked|by irq|by nmi|forced|silent|gone) "
             r"registers (valid|missing)(?: rip (0x[0-9a-f]+) rsp (0x[0-9a-f]+))?", self.cpu),
            (r"crash: cpu (\d+) (said|said in NMI|said nested): (.*?)( \(cut short\))?", self.said),
            (r"crash: cpu (\d+)  ((?: #\d+ 0x[0-9a-f]+)+)", self.backtrace),
            (r"trace: (\d+) (\d+) (\w+) (\d+)", self.trace),
            (r"crash: lingering \d+ ms", lambda: None),
            (r"crash: done, (\d+) cpus, (\d+) silent", self.done),
        )]

    def problem(self, text):
        self.facts.problems.append(text)

    def read(self, log):
        lines = log.split("\n")
        if lines.pop() != "":
            self.problem("the log ends within a line")
        lines = [line.removesuffix("\r") for line in lines]
        for i, (line, after) in enumerate(zip(lines, [*lines[1:], None]), 1):
            if after == "" and self.is_torn(line):
                self.facts.torn += 1
            elif line != "" or not self.may_be_empty(i, lines):
                self.line(i, line)
        return self.facts

    def is_torn(self, line):
        """A CPU was stopped by NMI within this line."""
        return not self.facts.started and line.startswith(("oops: cpu ", "kernel: ")) and line.isprintable() and not any(
            pattern.match(line) for pattern, _ in self.patterns)

    def may_be_empty(self, i, lines):
        """Who writes behind a line that may be torn begins with an empty one; the crash kernel always does."""
        return not self.facts.started and (lines[i:i + 1] and lines[i].startswith("crash: started")
                                           or i > 1 and self.is_torn(lines[i - 2]))

    def line(self, i, line):
        f = self.facts
        if f.done is not None:
            self.problem(f"line {i} is behind the last line: {line[:100]!r}")
            return
        if "BUG" in line:
            self.problem(f"line {i}: {line[:150]!r}")
        if any(speaker in line[1:] for speaker in SPEAKERS):
            self.problem(f"line {i} is two lines in one: {line[:150]!r}")
        for pattern, take in self.patterns:
            match = pattern.match(line) if line.isascii() and line.isprintable() else None
            if match is None:
                continue
            if f.started and line.startswith(("kernel:", "oops:", "panic:")):
                self.problem(f"line {i}: the dead kernel speaks while the crash kernel runs: {line!r}")
            if not f.started and line.startswith(("crash:", "trace:")) and "started" not in line:
                self.problem(f"line {i}: the crash kernel speaks before it has started: {line!r}")
            take(*match.groups())
            return
        self.problem(f"line {i} is not a line that the kernels write: {line[:100]!r}")

    def once(self, name, value):
        if getattr(self.facts, name):
            self.problem(f"the kernel says {name} twice")
        setattr(self.facts, name, value)

    def online(self, count, hz):
        self.once("online", number(count))
        self.once("tsc_hz", number(hz))

    def scenario(self, name, seed):
        self.once("scenario", name)
        self.facts.seed = number(seed)

    def loaded(self, _bytes):
        self.facts.images.append("loaded")

    def refused(self, why):
        self.facts.images.append(why)

    def not_started(self, why):
        self.facts.not_started.append(why)

    def restarting(self):
        self.facts.restarting += 1

    def oops(self, cpu, text):
        self.facts.oopses.append((number(cpu), text))

    def panic(self, cpu, message):
        self.facts.panics.append((number(cpu), message))

    def bye(self):
        self.facts.bye = True

    def was_running(self, cpu, _what):
        if number(cpu) not in [n for n, _ in self.facts.panics]:
            self.problem(f"CPU {cpu} tells what it was running, and has not panicked")

    def stopped(self, cpu, state, registers):
        self.list(cpu, Cpu(state == "running", state, registers == "valid"))

    def started(self, us):
        self.facts.started.append(number(us))

    def cpu(self, cpu, role, state, registers, rip, rsp):
        c = Cpu(role == "crashing", state, registers == "valid")
        if (rip is not None) != c.registers:
            self.problem(f"CPU {cpu}: registers {registers}, but rip {rip}")
        if rip is not None:
            c.rip, c.rsp = number(rip), number(rsp)
        self.list(cpu, c)

    def list(self, cpu, c):
        if number(cpu) in self.facts.cpus:
            self.problem(f"CPU {cpu} is listed twice")
        self.facts.cpus[number(cpu)] = c

    def listed(self, cpu):
        if number(cpu) not in self.facts.cpus:
            self.problem(f"CPU {cpu} says something before it is listed")
            return Cpu(False, "absent", False)
        return self.facts.cpus[number(cpu)]

    def said(self, cpu, how, text, cut):
        c = self.listed(cpu)
        if how in c.said:
            self.problem(f"CPU {cpu} {how} two things")
        if text == "" and cut is None:
            self.problem(f"CPU {cpu} {how} nothing")
        if len(text) > LONGEST_MESSAGE:
            self.problem(f"CPU {cpu} {how} more than a message holds: {len(text)} bytes")
        c.said[how] = text
        c.cut_short = c.cut_short or cut is not None

    def backtrace(self, cpu, frames):
        found = re.findall(r"#(\d+) (0x[0-9a-f]+)", frames)
        if [int(n) for n, _ in found] != list(range(len(found))):
            self.problem(f"CPU {cpu}: the frames of its backtrace are not counted from 0")
        c = self.listed(cpu)
        if c.frames:
            self.problem(f"CPU {cpu} has two backtraces")
        c.frames = [number(a) for _, a in found]

    def trace(self, tsc, cpu, kind, value):
        if kind.isdigit() and int(kind) < len(events.KINDS):
            kind = events.KINDS[int(kind)]
        if kind not in events.KINDS:
            self.problem(f"the timeline has an event of no known kind: {kind}")
        self.facts.events.append(Event(number(tsc), number(cpu), kind, number(value)))

    def done(self, cpus, silent):
        self.facts.done = (number(cpus), number(silent))


def read(log):
    return Reader().read(log)


def end_of(status):
    """QEMU's exit status in words."""
    if status is None:
        return "hang"
    named = {DONE_STATUS: "crash kernel", NOTHING_STATUS: "bye", RESTART_STATUS: "restart"}
    return named.get(status, f"status {status}")


def judge(boot, scenario, ended, text):
    """What is wrong with how `boot` ended, as sentences; empty when nothing is. `text` is the range of the kernel's
    code."""
    facts = read(ended.log)
    problems = list(facts.problems)
    end = end_of(ended.status)
    if end == "hang":
        problems.insert(0, f"it hangs: still running after {ended.seconds:.0f} s, and killed")
    elif end not in scenario.ends:
        problems.insert(0, f"it ends with: {end}; it must be: {' or '.join(sorted(scenario.ends))}")
    problems += judge_boot(facts, boot, scenario)
    if end == "crash kernel" or facts.started:
        problems += judge_crash(facts, boot, scenario, text)
    elif end == "restart":
        problems += judge_restart(facts, boot, scenario)
    elif end == "bye" and not facts.bye:
        problems.append("it ends as if there had been nothing to do, and does not say so")
    return problems + list(scenario.more(facts, boot, end))


def judge_boot(facts, boot, scenario):
    if facts.online != boot.cpus:
        yield f"{facts.online} CPUs are online, not {boot.cpus}"
    if facts.online and not 10**6 <= facts.tsc_hz <= 10**11:
        yield f"the TSC's frequency is {facts.tsc_hz} Hz"
    if facts.scenario != boot.scenario or facts.seed != boot.seed:
        yield f"the kernel runs scenario {facts.scenario or '(none)'} with seed {facts.seed}"
    said = facts.images[0] if facts.images else ""
    if boot.image == "damaged":
        if said in ("", "loaded"):
            yield f"a damaged image was not refused: {said or 'not a word'}"
    elif said != ("" if boot.image == "none" else "loaded"):
        yield f"image {boot.image}: {said or 'not a word'}"
    if len(facts.panics) > 1:
        yield f"{len(facts.panics)} panics are reported as the machine's, not one: {facts.panics}"


def judge_crash(facts, boot, scenario, text):
    if len(facts.started) != 1:
        yield f"{len(facts.started)} crash kernels were started, not one"
    elif facts.started[0] > LONGEST_PATH_US:
        yield f"from the panic to the crash kernel it took {facts.started[0]} us"
    if facts.done is None:
        yield "the crash kernel did not come to its last line"
    if facts.not_started or facts.restarting:
        yield "the kernel gave the crash kernel up, and it started all the same"
    yield from judge_report(facts, boot, scenario)
    for number_, cpu in sorted(facts.cpus.items()):
        yield from judge_cpu(number_, cpu, text)
    yield from judge_stacks(facts)
    if facts.torn > sum(c.state in ("by nmi", "silent") for c in facts.cpus.values()):
        yield f"{facts.torn} lines are torn, and fewer CPUs were stopped by NMI"
    if facts.events:
        yield from events.check(facts.events, boot.cpus)
        yield from judge_against_timeline(facts)
    else:
        yield "the crash kernel has no timeline"


def judge_report(facts, boot, scenario):
    wanted, found = set(range(boot.cpus)), set(facts.cpus)
    if wanted - found:
        yield f"missing from the report: CPU {', '.join(map(str, sorted(wanted - found)))}"
    if found - wanted:
        yield f"in the report, but not in the machine: CPU {', '.join(map(str, sorted(found - wanted)))}"
    crashing = [n for n, c in facts.cpus.items() if c.crashing]
    if len(crashing) != 1:
        yield f"{len(crashing)} CPUs crashed, not one: {crashing}"
    for n, _ in facts.panics:
        if crashing and n not in crashing:
            yield f"CPU {n} reported its panic, but the crash is that of CPU {crashing[0]}"
    silent, expected = {n for n, c in facts.cpus.items() if c.state == "silent"}, set(scenario.silent(boot))
    if silent - expected:
        yield f"silent, but must have answered: CPU {', '.join(map(str, sorted(silent - expected)))}"
    if expected - silent:
        yield f"not named silent, though it can't have answered: CPU {', '.join(map(str, sorted(expected - silent)))}"
    if facts.done is not None and facts.done != (len(found), len(silent)):
        yield f"the last line counts {facts.done[0]} CPUs and {facts.done[1]} silent, " \
              f"the report has {len(found)} and {len(silent)}"


def judge_answer(n, cpu):
    """What must be true of each CPU, crash kernel or not."""
    if cpu.crashing != (cpu.state == "running"):
        yield f"CPU {n} is {'' if cpu.crashing else 'not '}the crashing one, and its state is {cpu.state}"
    if cpu.crashing and not cpu.said:
        yield f"the message of the crashing CPU {n} is lost"
    if cpu.state == "parked" and not cpu.said:
        yield f"CPU {n} is parked, and its message is lost"
    if cpu.state not in ANSWERED and cpu.registers:
        yield f"CPU {n} is {cpu.state} and has registers all the same"
    if cpu.state in ANSWERED and not cpu.registers:
        yield f"CPU {n} answered, and its registers are missing"


def judge_cpu(n, cpu, text):
    yield from judge_answer(n, cpu)
    if not cpu.registers:
        return
    if cpu.rip not in text:
        yield f"CPU {n}: rip {cpu.rip:#x} is not in the kernel's code ({text.start:#x}-{text.stop:#x})"
    if cpu.rsp < 1 << 63:
        yield f"CPU {n}: rsp {cpu.rsp:#x} is no kernel stack"
    if not cpu.frames or cpu.frames[0] != cpu.rip:
        yield f"CPU {n}: its backtrace does not begin at rip {cpu.rip:#x}"
    for i, address in enumerate(cpu.frames):
        if address - (i > 0) not in text:  # behind a call that never returns the code may end
            yield f"CPU {n}: frame #{i} {address:#x} is not in the kernel's code"


def judge_stacks(facts):
    seen = {}
    for n, cpu in sorted(facts.cpus.items()):
        if cpu.registers:
            if cpu.rsp in seen:
                yield f"CPUs {seen[cpu.rsp]} and {n} have the same rsp {cpu.rsp:#x}"
            seen[cpu.rsp] = n


def judge_against_timeline(facts):
    """The report and the timeline were made apart; they must agree."""
    committed = [e.cpu for e in facts.events if e.kind == "committed"]
    crashing = [n for n, c in facts.cpus.items() if c.crashing]
    if len(committed) == 1 and len(crashing) == 1 and committed != crashing:
        yield f"CPU {committed[0]} committed, and CPU {crashing[0]} is reported as the one that crashed"
    for n, cpu in facts.cpus.items():
        lost = any(e.cpu == n and e.kind == "claim_lost" for e in facts.events)
        answers = [events.STATES[e.value] for e in facts.events
                   if e.cpu == n and e.kind == "acknowledged" and e.value < len(events.STATES)]
        if cpu.state in ("parked", "by irq", "by nmi") and cpu.state not in answers:
            yield f"CPU {n} is reported as {cpu.state}; by its timeline it answered: {answers or 'not at all'}"
        if lost and cpu.state != "silent" and not cpu.said:
            yield f"CPU {n} lost the race for the gate, and its message is lost"


def judge_restart(facts, boot, scenario):
    yield from judge_report(facts, boot, scenario)
    for n, cpu in sorted(facts.cpus.items()):
        yield from judge_answer(n, cpu)
    if facts.restarting != 1:
        yield f"it says {facts.restarting} times that it restarts, not once"
    reasons = ("no_image",) if boot.image in ("none", "damaged") else scenario.not_started
    if len(facts.not_started) != 1 or facts.not_started[0] not in reasons:
        yield f"why no crash kernel was started: {facts.not_started or 'not a word'}, not {' or '.join(reasons)}"
    if not facts.panics:
        yield "it restarts, and no panic was reported"
