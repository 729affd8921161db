# SPDX-License-Identifier: BSL-1.0
"""compare.py A B: are the figures of B (new) those of A (old)?

Each benchmark is tested with the Mann-Whitney U test over its repetitions, two-sided, and the p-values of all tests
together are corrected by Holm's method, so that among hundreds of tests a false alarm stays as rare as for one. What is
tested: `ratio` where ours and raw were measured side by side, for it holds on a noisy host; else every counter in
nanoseconds; else Google Benchmark's real time. For all of them more is worse.

A regression is a median that is worse by more than the threshold and significantly so. The exit status is 0 if there is
none, 1 if there is one, 2 if the files cannot be compared.
"""
import argparse
import math
import statistics
import sys
from dataclasses import dataclass

from results import BadResults, load

HOST = ["host_name", "cpu", "num_cpus", "kernel", "compiler"]
SIGNIFICANT = 0.05


@dataclass
class Change:
    label: str
    counter: str
    old: list
    new: list
    p: float = 1.0  # corrected

    @property
    def percent(self):
        old = statistics.median(self.old)
        return (statistics.median(self.new) - old) / old * 100 if old else math.nan

    def verdict(self, threshold):
        if self.p >= SIGNIFICANT or abs(self.percent) <= threshold:
            return ""
        return "REGRESSION" if self.percent > 0 else "better"


def tested(benchmark):
    """[(what, values)]"""
    if "ratio" in benchmark.counters:
        return [("ratio", benchmark.values("ratio"))]
    times = [c for c in benchmark.counters if c.endswith("_ns")]
    return [(c, benchmark.values(c)) for c in times] or [("real_ns", benchmark.real_ns())]


def changes(old, new):
    theirs = {(b.program, b.name): b for b in new.benchmarks}
    found = []
    for benchmark in old.benchmarks:
        other = theirs.get((benchmark.program, benchmark.name))
        if other is None or not benchmark.entries or not other.entries:
            continue
        after = dict(tested(other))
        label = f"{benchmark.program}: {benchmark.label}" if benchmark.program else benchmark.label
        found += [Change(label, what, values, after[what]) for what, values in tested(benchmark) if after.get(what)]
    return found


def least_p(change):
    """What the test says when every new value is beyond every old one: it cannot say less."""
    return 2 / math.comb(len(change.old) + len(change.new), len(change.old))


def mann_whitney(old, new):
    try:
        from scipy.stats import mannwhitneyu  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise BadResults("scipy is not installed; on Debian and Ubuntu: apt-get install python3-scipy") from error
    if len(set(old + new)) == 1:
        return 1.0
    # Values that are equal within one run leave U as it is; those that are in both runs do not.
    method = "asymptotic" if set(old) & set(new) else "exact"
    return float(mannwhitneyu(old, new, alternative="two-sided", method=method).pvalue)


def correct(found):
    """Holm: the smallest of m p-values times m, the next times m - 1, and so on, never less than the one before."""
    so_far = 0.0
    ordered = sorted(((mann_whitney(c.old, c.new), i) for i, c in enumerate(found)))
    for rank, (p, i) in enumerate(ordered):
        so_far = max(so_far, min(1.0, p * (len(ordered) - rank)))
        found[i].p = so_far


def counted(number, thing):
    return f"{number} {thing}" if number == 1 else f"{number or 'no'} {thing}s"


def require_repetitions(path, results, enough):
    """A test that could never say "significant" would be a comparison that cannot fail."""
    most = results.repetitions()
    if most < enough:
        raise BadResults(f"{path}: has {counted(most, 'repetition')} of each benchmark; {enough} or more are needed "
                         "for a change to stand out; measure again with tools/bench, without --quick")


def enough_repetitions(tests):
    """The least n with which n old and n new values can be significant among so many tests."""
    return next(n for n in range(3, 1000) if 2 / math.comb(2 * n, n) * tests < SIGNIFICANT)


def missing(first, second):
    there = {(b.program, b.name) for b in second.benchmarks if b.entries}
    return [b for b in first.benchmarks if b.entries and (b.program, b.name) not in there]


def notes(a, b, old, new):
    different = [k for k in HOST if old.context.get(k) != new.context.get(k)]
    if different:
        yield "NOT THE SAME HOST OR COMPILER. A change below may be the machine's and not the code's:"
        for key in different:
            yield f"    {key}: {old.context.get(key, 'unknown')} -> {new.context.get(key, 'unknown')}"
    if old.context.get("lastcpu_mode") != new.context.get("lastcpu_mode"):
        yield (f"Note: measured in different modes: {old.context.get('lastcpu_mode', 'unknown')} -> "
               f"{new.context.get('lastcpu_mode', 'unknown')}.")
    for path, results in ((a, old), (b, new)):
        if busy := results.was_busy():
            yield f"Note: {path}: {busy}; what changes may be its other work."
    for path, gone in ((a, missing(old, new)), (b, missing(new, old))):
        if gone:
            yield f"Note: {counted(len(gone), 'benchmark')} with figures in {path} only, for example {gone[0].label}."


def figure(what, value):
    return f"{value:.3f}" if what == "ratio" else f"{value:,.2f}"


def table(found, threshold):
    head = ["benchmark", "figure", "old", "new", "change", "p", ""]
    rows = [[c.label, c.counter, *(figure(c.counter, statistics.median(v)) for v in (c.old, c.new)),
             f"{c.percent:+.1f} %", f"{c.p:.3g}", c.verdict(threshold)] for c in found]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(cell.ljust(w) if i in (0, 1, 6) else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip()


def compare(a, b, threshold):
    """Prints the table; returns the exit status."""
    old, new = load(a), load(b)
    found = changes(old, new)
    if not found:
        raise BadResults(f"{a} and {b} have no benchmark in common; compare two runs of the same programs")
    enough = enough_repetitions(len(found))
    require_repetitions(a, old, enough)
    require_repetitions(b, new, enough)
    correct(found)
    for line in notes(a, b, old, new):
        print(line)
    print(*table(found, threshold), sep="\n")
    weak = [c for c in found if least_p(c) * len(found) >= SIGNIFICANT]
    if weak:
        print(f"Note: {len(weak)} of {len(found)} have too few repetitions to stand out, for example {weak[0].label}.")
    verdicts = [c.verdict(threshold) for c in found]
    worse = verdicts.count("REGRESSION")
    print(f"{len(found)} compared by the Mann-Whitney U test, p corrected for so many by Holm's method: "
          f"{counted(worse, 'significant regression')} beyond {threshold:g} %, "
          f"{verdicts.count('better')} better.")
    return 1 if worse else 0


def percentage(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1000:
        raise argparse.ArgumentTypeError(f"'{text}': a percentage from 0 on is wanted, for example 5")
    return value


def main(words=None):
    parser = argparse.ArgumentParser(prog="tools/bench --compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="A")
    parser.add_argument("new", metavar="B")
    parser.add_argument("--threshold", type=percentage, default=5.0, help="in per cent (%(default)s)")
    options = parser.parse_args(words)
    try:
        return compare(options.old, options.new, options.threshold)
    except BadResults as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
