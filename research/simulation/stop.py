# SPDX-License-Identifier: BSL-1.0
"""The stop: CPU 0 owns the gate and stops the others. How it asks, how they answer, and where it keeps its report.

request   loop, loop_xapic: one message each; cluster: one for every 16 (x2APIC logical destinations); broadcast; tree_K:
          every CPU that is stopped sends on to K others before it does anything else
answer    record: a flag in a line of its own, with the first of the registers; packed: 16 flags in a line; counter: one
          for all; counters: one for every 16 CPUs, one for every 16 of these, and so on
report    apart: in an array of the owner's; in_record: a word in each record
"""
from dataclasses import dataclass

from machine import Line, Machine

CLUSTER = 16
FLAGS = 16
FAN_IN = 16
RECORD_LINES = 3


@dataclass(frozen=True)
class Design:
    request: str
    answer: str = "record"
    report: str = "apart"

    @property
    def name(self):
        return f"{self.request}, {self.answer}" + (", report in it" if self.report == "in_record" else "")


class Stop:
    def __init__(self, costs, cpus, design, losers=0, seed=1):
        self.m = Machine(costs, cpus, seed)
        self.env = self.m.env
        self.cost = costs
        self.design = design
        self.losers = losers
        self.targets = range(1 + losers, cpus)  # CPUs 1 .. losers are parked already
        self.gate = Line(self.m, 0)
        self.records = [Line(self.m, cpu, 1) if cpu <= losers else Line(self.m) for cpu in range(cpus)]
        self.levels = self.flags() if design.answer == "packed" else self.counters()

    def flags(self):
        """[[(line, how many answers it takes)]]"""
        members = [sum(1 for cpu in range(first, first + FLAGS) if cpu in self.targets)
                   for first in range(0, self.m.cpus, FLAGS)]
        return [[(Line(self.m, 0), n) for n in members]]

    def counters(self):
        """The same for each level of a tree, the leaves first."""
        levels = []
        left = len(self.targets)
        while left > 0 and (not levels or len(levels[-1]) > 1):
            width = FAN_IN if self.design.answer == "counters" else left
            levels.append([(Line(self.m, 0), min(width, left - first)) for first in range(0, left, width)])
            left = len(levels[-1])
        return levels

    def run(self):
        """{stopped: ns until the owner knows that all have stopped, notes: ns until it has read their registers}"""
        return self.m.run(self.owner())

    # The owner.

    def owner(self):
        yield from self.expect()
        yield from self.gate.write(0, lambda v: 1)  # the commit
        yield from self.send()
        yield from self.collect_answers()
        yield from self.collect()
        stopped = self.env.now
        yield from self.read_notes()
        return {"stopped": stopped, "notes": self.env.now}

    def expect(self):
        """A first look at each record: who has parked already?"""
        others = self.records[1:]
        yield from self.m.scan([record.way("transfer", 0) for record in others])
        for record in others:
            if self.design.report == "in_record":
                record.holders, record.last = {0}, 0
            else:
                record.holders.add(0)
                record.last = 0 if record.last is None else record.last

    def send(self):
        how = self.design.request
        if how.startswith("tree_"):
            yield from self.forward(0, -1)
        elif how == "broadcast" and self.losers == 0:
            yield from self.message("x2apic", self.targets)
        elif how == "cluster":
            for first in range(0, self.m.cpus, CLUSTER):
                members = [cpu for cpu in range(first, min(first + CLUSTER, self.m.cpus)) if cpu in self.targets]
                if members:
                    yield from self.message("x2apic", members)
        else:
            for cpu in self.targets:
                yield from self.message("xapic" if how == "loop_xapic" else "x2apic", [cpu])

    def message(self, apic, targets, sender=0):
        """One interrupt command. A socket hands it to its cores one by one."""
        yield self.env.timeout(self.cost["icr_write_" + apic])
        before = {}
        for cpu in targets:
            socket = self.m.socket(cpu)
            place = before[socket] = before.get(socket, -1) + 1
            way = self.m.by_distance("ipi", sender, cpu) + place * self.cost["ipi_fan_out"]
            self.env.process(self.stopped_cpu(cpu, way))

    def forward(self, cpu, place):
        """A node of the tree sends to its children. Its place is its number among the targets, -1 for the owner."""
        k = int(self.design.request.removeprefix("tree_"))
        for child in range((place + 1) * k, min((place + 2) * k, len(self.targets))):
            yield from self.message("x2apic", [self.targets[child]], cpu)

    # A CPU that is asked.

    def stopped_cpu(self, cpu, way):
        cost = self.cost
        yield self.env.timeout(way + self.m.random.uniform(0, cost["nmi_jitter"]) + cost["nmi_entry"])
        yield from self.gate.read(cpu)
        place = cpu - 1 - self.losers
        if self.design.request.startswith("tree_"):
            yield from self.forward(cpu, place)
        record = self.records[cpu]
        yield from record.read(cpu)
        yield from record.write(cpu, lambda v: v)
        yield self.env.timeout(cost["save_registers"])
        yield from self.answer(cpu, place)

    def answer(self, cpu, place):
        if self.design.answer == "record":
            yield from self.records[cpu].write(cpu, lambda v: 1)
        elif self.design.answer == "packed":
            yield from self.levels[0][cpu // FLAGS][0].write(cpu, lambda v: v + 1)
        else:
            for level in self.levels:
                place = place // FAN_IN if self.design.answer == "counters" else 0
                line, members = level[place]
                if (yield from line.write(cpu, lambda v: v + 1)) + 1 < members:
                    return

    # The owner waits.

    def collect_answers(self):
        if self.design.answer == "record":
            yield from self.await_lines([(self.records[cpu], 1) for cpu in self.targets])
        elif self.design.answer == "packed":
            yield from self.await_lines([(line, members) for line, members in self.levels[0] if members > 0])
        elif self.levels:
            yield from self.await_lines(self.levels[-1])

    def await_lines(self, lines):
        """Each in turn until it has its value. Those that have it already are read without waiting for each other."""
        while lines:
            good = yield from self.m.scan([line.way("transfer", 0) for line, _ in lines],
                                          lambda i: lines[i][0].value != lines[i][1])
            lines = lines[good:]
            if lines:
                line, value = lines.pop(0)
                yield from line.wait_for(0, lambda v: v == value)

    def collect(self):
        """The last pass: over the report alone, or with a write to each record, of which its CPU has a copy."""
        if self.design.report == "in_record":
            yield from self.m.scan([self.m.by_distance("rmw", cpu, 0) for cpu in range(1, self.m.cpus)])
        else:
            yield self.env.timeout(self.m.cpus * self.cost["cpu_step"])

    def read_notes(self):
        """The registers of all; their first line has come with a flag that is in the record."""
        lines = RECORD_LINES - 1 if self.design.answer == "record" else RECORD_LINES
        yield from self.m.scan([self.m.by_distance("transfer", cpu, 0) for cpu in range(1, self.m.cpus)
                                for _ in range(lines)])


def lost_behind(cpus, k):
    """How many CPUs nobody asks when the first node of the tree is wedged: all of its subtree, itself included."""
    lost, row = 0, [0]
    while row:
        lost += len(row)
        row = [child for place in row for child in range((place + 1) * k, min((place + 2) * k, cpus - 1))]
    return lost
