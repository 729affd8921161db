# SPDX-License-Identifier: BSL-1.0
"""The report as text."""
import statistics

from goals import MISSED


def columns(rows, right):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()


def goal_lines(verdicts):
    rows = []
    for v in verdicts:
        figure = f"{v.worst.median:.3f}" if v.worst else ""
        of = f"{len(v.measured) - len(v.missed)} of {len(v.measured)}" if v.measured else ""
        rows.append([v.word.upper() if v.word == MISSED else v.word, figure, of, v.goal.text])
    yield from columns([["", "worst", "reached", "goal"], *rows], {1, 2})
    for v in verdicts:
        for m in v.missed:
            low, high = m.quartiles
            yield f"  {MISSED}: {m.label}: {m.median:.3f} (quartiles {low:.3f} to {high:.3f})"


def pair_lines(pairs):
    rows = [["", "ours", "raw", "ratio", "25 %", "75 %"]]
    for b in pairs:
        rows.append([b.label, *(f"{b.median(c):,.2f}" for c in ("ours_ns", "raw_ns")),
                     *(f"{ratio:.3f}" for ratio in (b.median("ratio"), *b.ratio_quartiles()))])
    yield from columns(rows, {1, 2, 3, 4, 5})
    for b in pairs:
        for what, (ours, raw) in b.more_figures.items():
            yield f"  {b.label}: {what}: ours {ours:.3g}, raw {raw:.3g}"


def other_lines(benchmarks):
    for b in benchmarks:
        figures = [f"{c} {b.median(c):,.4g}" for c in b.counters]
        figures = figures or [f"{statistics.median(b.real_ns()):,.4g} ns"]
        yield f"{b.label}: {', '.join(figures)}"


def report(results, verdicts):
    """Yields the lines."""
    for program in dict.fromkeys(b.program for b in results.benchmarks):
        mine = [b for b in results.benchmarks if b.program == program and b.entries]
        yield f"{program} (medians of {max((len(b.entries) for b in mine), default=0)} repetitions; times in ns)"
        pairs = [b for b in mine if b.is_pair]
        if pairs:
            yield from pair_lines(pairs)
        yield from other_lines([b for b in mine if not b.is_pair])
        for b in results.benchmarks:
            if b.program == program and b.skipped:
                yield f"not on this host: {b.label}: {b.skipped}"
        yield ""
    yield from results.left_out()
    yield from goal_lines(verdicts)
