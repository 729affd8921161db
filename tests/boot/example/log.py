# SPDX-License-Identifier: BSL-1.0
"""Reads the serial log of one boot, line by line, into facts.

A line that nobody knows, a line in the wrong place and anything behind the last line are problems. What is missing, or
wrong for the scenario, is verdict.py's to say.
"""
import re
from dataclasses import dataclass, field

import events
from events import Event

STATES = "running|parked|by irq|by nmi|forced|silent|gone"
SPEAKERS = ("kernel: ", "oops: cpu ", "panic: cpu ", "crash: ", "trace: ")
LONGEST_MESSAGE = 127


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
    hello: bool = False
    images: list = field(default_factory=list)  # "loaded", or why it was refused
    oopses: list = field(default_factory=list)
    panics: list = field(default_factory=list)  # (cpu, message), as Policy::report says
    not_started: list = field(default_factory=list)
    restarting: bool = False
    bye: bool = False
    torn: int = 0  # lines
    started: list = field(default_factory=list)  # microseconds
    cpus: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    events_lost: dict = field(default_factory=dict)  # CPU: how many
    done: tuple | None = None  # (CPUs, silent ones)


def number(text):
    return int(text, 0)


class Reader:
    """Knows every line that the kernels write, and takes one after the other."""

    def __init__(self):
        self.facts = Facts()
        self.patterns = [(re.compile(p + "$"), m) for p, m in (
            (r"kernel: (\d+) cpus online, tsc (\d+) Hz", self.online),
            (r"kernel: hello", self.hello),
            (r"kernel: scenario (\w+) seed (\d+)", self.scenario),
            (r"kernel: image loaded, (\d+) bytes", self.loaded),
            (r"kernel: image refused: (\S.*)", self.refused),
            (r"kernel: crash kernel not started: (\S.*)", self.not_started),
            (r"kernel: restarting", self.restarting),
            (r"kernel: waits for machine checks", lambda: None),
            (r"oops: cpu (\d+) (\w[\w ]* at 0x[0-9a-f]+(?: address 0x[0-9a-f]+)?)", self.oops),
            (rf"kernel: cpu (\d+) stopped ({STATES}) registers (valid|missing)",
             self.stopped),
            (r"kernel: cpu (\d+) (said|said in NMI|said nested): (.*?)( \(cut short\))?", self.said),
            (r"panic: cpu (\d+): (\S.*)", self.panic),
            (r"kernel: cpu (\d+) was running (\S.*)", self.was_running),
            (r"kernel: nothing to do, bye", self.bye),
            (r"crash: started, panic to here (\d+) us", self.started),
            (rf"crash: cpu (\d+) (crashing|stopped) ({STATES}) "
             r"registers (valid|missing)(?: rip (0x[0-9a-f]+) rsp (0x[0-9a-f]+))?", self.cpu),
            (r"crash: cpu (\d+) (said|said in NMI|said nested): (.*?)( \(cut short\))?", self.said),
            (r"crash: cpu (\d+)  ((?: #\d+ 0x[0-9a-f]+)+)", self.backtrace),
            (r"crash: cpu (\d+) had no room for its first (\d+) events", self.had_no_room),
            (r"trace: (\d+) (\d+) (\w+) (\d+)", self.trace),
            (r"crash: lingering \d+ ms", lambda: None),
            (r"crash: (?:dump|the crash kernel has faulted)\b.*", lambda: None),  # tests/boot/dump/disk_test.py
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
        if self.facts.started or not line.isprintable() or not line.startswith(("oops: cpu ", "kernel: ")):
            return False
        return not any(pattern.match(line) for pattern, _ in self.patterns)

    def may_be_empty(self, i, lines):
        """Who writes behind a line that may be torn begins with an empty one; the crash kernel always does."""
        return not self.facts.started and (lines[i:i + 1] and lines[i].startswith("crash: started")
                                           or i > 1 and self.is_torn(lines[i - 2]))

    def line(self, i, line):
        f = self.facts
        if f.done is not None or f.bye or f.restarting:
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

    def hello(self):
        self.once("hello", True)

    def loaded(self, _bytes):
        self.facts.images.append("loaded")

    def refused(self, why):
        self.facts.images.append(why)

    def not_started(self, why):
        self.facts.not_started.append(why)

    def restarting(self):
        self.facts.restarting = True

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
        """Where a reload was under way the dead kernel may have told all of this, before it found the image after all."""
        if not self.facts.started:
            self.facts.cpus.clear()
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
        if number(tsc) == 0:
            return  # an NMI that does not return came between the event's place in the ring and the event
        if kind not in events.KINDS:
            self.problem(f"the timeline has an event of no known kind: {kind}")
        self.facts.events.append(Event(number(tsc), number(cpu), kind, number(value)))

    def had_no_room(self, cpu, count):
        self.facts.events_lost[number(cpu)] = number(count)

    def done(self, cpus, silent):
        self.facts.done = (number(cpus), number(silent))


def read(log):
    return Reader().read(log)
