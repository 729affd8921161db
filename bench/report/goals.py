# SPDX-License-Identifier: BSL-1.0
"""The goals of the benchmarks, each a ratio measured side by side in one run, and whether they are reached."""
import re
import statistics
from dataclasses import dataclass, field

from results import quartiles

REACHED, MISSED, NOT_MEASURED = "reached", "not reached", "not measured"


@dataclass
class Goal:
    text: str
    limit: float         # as people read it; a measure with a limit of its own for each benchmark divides by it
    measure: object      # Results -> [Measured]
    strictly: bool = False
    runs: int = 1        # what was run less often says nothing


@dataclass
class Measured:
    benchmark: object
    values: list  # one for each repetition

    @property
    def label(self):
        return self.benchmark.label

    @property
    def key(self):
        return self.benchmark.program, self.benchmark.name

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def quartiles(self):
        return quartiles(self.values)


@dataclass
class Verdict:
    goal: Goal
    measured: list = field(default_factory=list)

    def holds(self, measured):
        return measured.median < self.goal.limit if self.goal.strictly else measured.median <= self.goal.limit

    @property
    def missed(self):
        return [m for m in self.measured if not self.holds(m)]

    @property
    def worst(self):
        return max(self.measured, key=lambda m: m.median, default=None)

    @property
    def word(self):
        if not self.measured:
            return NOT_MEASURED
        return MISSED if self.missed else REACHED


def ratios_of(pattern, fits=lambda benchmark: True):
    """The pairs whose name fits."""
    def measure(results):
        return [Measured(b, b.values("ratio")) for b in results.pairs() if re.search(pattern, b.label) and fits(b)]
    return measure


def share_parked(benchmark):
    return benchmark.parked / (benchmark.cpus - 1)


def with_parked(results):
    """The pairs that stop CPUs of which some are parked; their ratio is to a stop of as many with none parked."""
    return [b for b in results.pairs() if b.parked is not None and (b.cpus or 0) > 1]


def has_goal_by_share(benchmark):
    """On one processor nothing but what is left to stop takes time. Elsewhere a processor must wake up first, however few
    threads are to be stopped on it."""
    return benchmark.parameters.get("at") == "one_processor"


def losers_by_share(results):
    """Measured divided by what is allowed: the share that still has to be stopped, and 10 % of the whole."""
    return [Measured(b, [v / (1 - share_parked(b) + 0.10) for v in b.values("ratio")])
            for b in with_parked(results) if b.parked > 0 and has_goal_by_share(b)]


def losers_by_hand(results):
    """Measured divided by what becomes of a stop by hand that leaves as many threads alone, in the same rounds."""
    return [Measured(b, [v / hand for v, hand in zip(b.values("ratio"), b.values("by_hand")) if hand > 0])
            for b in with_parked(results) if b.parked > 0 and not has_goal_by_share(b)]


GOALS = [
    Goal("A claim of the open gate: at most 1.05 x raw lock cmpxchg", 1.05, ratios_of(r"^claim_vs_cmpxchg")),
    Goal("in_progress(), asked in a loop: at most 1.05 x a plain load", 1.05,
         ratios_of(r"^in_progress_vs_load.*polled")),
    Goal("in_progress(), sixteen in a row: at most 1.05 x a plain load", 1.05,
         ratios_of(r"^in_progress_vs_load.*in_a_row")),
    Goal("Stopping sleeping threads, N = 8 and more: at most 1.10 x tgkill and flags by hand", 1.10,
         ratios_of(r"^stop_sleeping_vs_tgkill", lambda b: b.cpus >= 8)),
    Goal("Stopping sleeping threads, N = 2: at most 1.20 x tgkill and flags by hand", 1.20,
         ratios_of(r"^stop_sleeping_vs_tgkill", lambda b: b.cpus < 8)),
    Goal("Stopping N sleeping threads: below Boehm GC's stop-the-world, the median of five runs or more", 1.0,
         ratios_of(r"^stop_sleeping_vs_boehm"), strictly=True, runs=5),
    Goal("With k of N-1 threads parked, all on one processor: at most (N-1-k)/(N-1) of the whole stop, plus 10 % "
         "(measured / allowed)", 1.0, losers_by_share),
    Goal("With k of N-1 threads parked, on any processor: at most 1.10 x a stop by hand that leaves as many alone", 1.10,
         losers_by_hand),
    Goal("The winner's work beside parked losers: at most 1.02 x alone", 1.02,
         ratios_of(r"^work_beside_parked_vs_alone")),
]


def verdicts(results):
    return [Verdict(goal, [m for m in goal.measure(results) if len(m.values) >= goal.runs]) for goal in GOALS]
