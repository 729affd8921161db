# SPDX-License-Identifier: BSL-1.0
"""A large machine in events: CPUs in sockets, cache lines that move between them, a core's misses in flight.

A line is with one CPU, which has written it, or with several, which have read it. Who wants to write it waits its turn,
first come, first served, and its turn takes as long as the way from the last one. Who wants to read it waits its turn as
well, unless a copy is in its socket already: then the socket's cache serves it, one reader after the other.
"""
import random

import simpy


class Machine:
    def __init__(self, costs, cpus, seed=1):
        self.env = simpy.Environment()
        self.cost = costs
        self.cpus = cpus
        self.random = random.Random(seed)

    def socket(self, cpu):
        return cpu // int(self.cost["cpus_per_socket"])

    def by_distance(self, what, a, b):
        return self.cost[f"{what}_same_socket" if self.socket(a) == self.socket(b) else f"{what}_across"]

    def run(self, process):
        """Runs until `process` ends; what it returned."""
        return self.env.run(until=self.env.process(process))

    def scan(self, latencies, stops_at=None):
        """Loads that do not wait for each other, at most misses_in_flight at a time. They end in order; stops_at(i),
        asked at the end of each, says that the loop can't go on behind it. Returns how many were good."""
        width = max(1, int(self.cost["misses_in_flight"]))
        issue = self.env.now
        ends = []
        for i, latency in enumerate(latencies):
            issue += self.cost["cpu_step"]
            if i >= width:
                issue = max(issue, ends[i - width])
            ends.append(max(issue + latency, ends[-1] if ends else 0))
            if ends[-1] > self.env.now:
                yield self.env.timeout(ends[-1] - self.env.now)
            if stops_at is not None and stops_at(i):
                return i
        return len(ends)


class Line:
    def __init__(self, machine, holder=None, value=0):
        self.machine = machine
        self.value = value
        self.holders = set() if holder is None else {holder}
        self.last = holder  # who has it when everybody who waits now has had it; None: memory
        self.free_at = 0.0
        self.copies = {}  # socket: when its cache can serve the next reader
        self.changed = None

    def way(self, what, cpu):
        """How long the next turn takes. A writer has to take the copies of other sockets away, too."""
        m = self.machine
        if self.last is None:
            return m.cost["memory_load"]
        if what == "rmw" and any(socket != m.socket(cpu) for socket in self.copies):
            return m.cost["rmw_across"]
        return m.by_distance(what, self.last, cpu)

    def turn(self, what, cpu):
        """Queues; when this CPU has the line."""
        self.free_at = max(self.machine.env.now, self.free_at) + self.way(what, cpu)
        return self.free_at

    def read(self, cpu):
        """The value."""
        env, cost = self.machine.env, self.machine.cost
        if cpu in self.holders:
            yield env.timeout(cost["load_hit"])
            return self.value
        socket = self.machine.socket(cpu)
        if socket in self.copies:
            self.copies[socket] = max(env.now, self.copies[socket]) + cost["read_served"]
            here = self.copies[socket] + cost["transfer_same_socket"] - cost["read_served"]
        else:
            here = self.copies[socket] = self.turn("transfer", cpu)
            self.last = cpu if self.last is None else self.last
        yield env.timeout(max(0, here - env.now))
        self.holders.add(cpu)
        return self.value

    def write(self, cpu, change):
        """An atomic change: `change` makes the new value of the old one, which is returned."""
        env = self.machine.env
        if self.holders == {cpu} and self.free_at <= env.now:
            yield env.timeout(self.machine.cost["rmw_hit"])
        else:
            at = self.turn("rmw", cpu)
            self.last = cpu
            yield env.timeout(at - env.now)
        self.holders = {cpu}
        self.copies = {}
        before, self.value = self.value, change(self.value)
        if self.changed is not None:
            self.changed.succeed()
            self.changed = None
        return before

    def wait_for(self, cpu, wanted):
        """Polls until the value is as wanted: a copy that is here costs nothing until somebody takes it away."""
        env = self.machine.env
        while not wanted((yield from self.read(cpu))):
            if not wanted(self.value):
                if self.changed is None:
                    self.changed = env.event()
                yield self.changed
            yield env.timeout(self.machine.cost["pause"] / 2)
