# SPDX-License-Identifier: BSL-1.0
"""The claim: all CPUs panic within `spread` ns and claim the gate. And the winner's steps, while the losers wait.

look_first   a load, and an exchange only where the gate was open; at_once: an exchange in any case.
"""
from machine import Line, Machine

WORK = 1000  # ns of the winner's between its claim and its first step, and between two steps
STEPS = 16


class Claim:
    def __init__(self, costs, cpus, way, spread=0.0, seed=1):
        self.m = Machine(costs, cpus, seed)
        self.way = way
        self.spread = spread
        self.gate = Line(self.m)
        self.won = self.first_step = None
        self.knows = []

    def run(self):
        """{won: ns until one has the gate, step: how long the winner's next exchange of the gate takes, all_know: ns until
        the last loser knows that it has lost}, from the first arrival on."""
        arrivals = [self.m.random.uniform(0, self.spread) for _ in range(self.m.cpus)]
        first = min(arrivals)
        everybody = [self.m.env.process(self.cpu(cpu, at - first)) for cpu, at in enumerate(arrivals)]
        self.m.env.run(until=self.m.env.all_of(everybody))
        return {"won": self.won, "step": self.first_step, "all_know": max(self.knows)}

    def cpu(self, cpu, arrival):
        env = self.m.env
        yield env.timeout(arrival)
        taken = 0
        if self.way == "look_first":
            taken = yield from self.gate.read(cpu)
        if taken == 0:
            taken = yield from self.gate.write(cpu, lambda v: v if v else 1)
        self.knows.append(env.now)
        if taken == 0:
            self.won = env.now
            yield env.timeout(WORK)
            begun = env.now
            yield from self.gate.write(cpu, lambda v: v + 1)
            self.first_step = env.now - begun


def step_ns(costs, cpus, losers_watch, seed=1):
    """ns of one of the winner's exchanges of the gate, on the average. Losers that watch read it again after each; losers
    that sleep do not."""
    m = Machine(costs, cpus, seed)
    gate = Line(m, 0)

    def loser(cpu):
        for seen in range(STEPS):
            yield from gate.wait_for(cpu, lambda v, seen=seen: v > seen)

    def winner():
        took = 0
        for _ in range(STEPS):
            yield m.env.timeout(WORK)
            begun = m.env.now
            yield from gate.write(0, lambda v: v + 1)
            took += m.env.now - begun
        return took / STEPS

    for cpu in range(1, cpus if losers_watch else 1):
        m.env.process(loser(cpu))
    return m.run(winner())
