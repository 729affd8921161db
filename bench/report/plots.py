# SPDX-License-Identifier: BSL-1.0
"""The pictures of a report. Each function returns a list, which is empty when nothing was measured for it."""
import math
import re
import statistics
from collections import defaultdict
from dataclasses import dataclass

from gnuplot import LINES, WIDTH, colour, draw, head, quoted
from goals import has_goal_by_share, share_parked, with_parked
from names import in_words, ours_in_words, parameter_in_words, raw_in_words
from results import CPUS, PARKED, quartiles

UNITS = [(1, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")]


@dataclass
class Picture:
    name: str     # of the file, without .svg
    section: str  # the program whose table it stands beside
    caption: str
    svg: str


def file_name(*parts):
    return re.sub(r"[^a-z0-9]+", "_", "_".join(p for p in parts if p).lower()).strip("_")


def time_text(ns):
    """1500 as "1.5 µs"."""
    for scale, unit in reversed(UNITS):
        if ns >= scale * 0.9995 or unit == "ns":
            value = ns / scale
            digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:,.{digits}f} {unit}"
    return ""


def time_tics(low, high):
    """Tics at powers of ten, or 1-2-5 where there are few of them."""
    steps = (1,) if high / low >= 50 else (1, 2, 5)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [step * 10.0**e for e in exponents for step in steps]
    tics = []
    for value in values:
        if low * 0.999 <= value <= high * 1.001:
            scale, unit = next((s, u) for s, u in reversed(UNITS) if value >= s * 0.999 or u == "ns")
            tics.append(f'"{value / scale:g} {unit}" {value:g}')
    return ", ".join(tics)


def data_block(name, rows):
    return f"${name} << EOD\n" + "\n".join(" ".join(str(cell) for cell in row) for row in rows) + "\nEOD\n"


# --- ratios: one row for each pair, its quartiles as a bar

@dataclass
class Row:
    label: str
    middle: float
    low: float
    high: float
    limit: float = None  # of the goal that this pair belongs to


def ratio_rows(pairs, limits):
    rows = []
    for b in pairs:
        rows.append(Row(in_words(b), b.median("ratio"), *b.ratio_quartiles(), limits.get((b.program, b.name))))
    return rows


def ratio_range(rows):
    low = min([0.97, *(r.low for r in rows)])
    high = max([1.08, *(r.high for r in rows), *(r.limit * 1.02 for r in rows if r.limit)])
    margin = (high / low) ** 0.03
    return low / margin, high * margin


def ratio_tics(low, high):
    if high / low > 4:
        values = [m * 10.0**e for e in range(-6, 7) for m in ((1, 2, 5) if high / low < 300 else (1,))]
    else:
        step = 0.05 if high / low < 1.5 else 0.25 if high / low < 2.2 else 0.5
        values = [round(i * step, 4) for i in range(1, 100)]
    return ", ".join(f'"{v:g}" {v:g}' for v in values if low <= v <= high)


def ratios(program, pairs, limits):
    """Ours divided by raw, as a bar from 1: to the left it is better than raw."""
    rows = ratio_rows(pairs, limits)
    if not rows:
        return []
    low, high = ratio_range(rows)
    blocks = {"texts": [], "ones": [], "limits": [], "good": [], "bad": []}
    for y, row in zip(range(len(rows), 0, -1), rows):
        blocks["texts"].append((f"{low:g}", y + 0.22, quoted(row.label)))
        blocks["ones"].append((1, y - 0.42, 0, 0.4))
        if row.limit:
            blocks["limits"].append((row.limit, y - 0.42, 0, 0.4))
        side = "bad" if row.limit and row.middle > row.limit else "good"
        blocks[side].append((row.middle, y - 0.22, row.low, row.high, 1 - row.middle))
    name = file_name("ratio", program)
    script = head(name, "", 46 + 30 * len(rows))
    script += "".join(data_block(block, content or [("NaN",) * 5]) for block, content in blocks.items())
    script += f"""unset title
set logscale x
set xrange [{low:g}:{high:g}]
set yrange [0.35:{len(rows) + 0.7}]
set border 1
unset ytics
unset key
set lmargin 2
set rmargin 2
set tmargin 0.4
set bars 0.6
set xtics ({ratio_tics(low, high)})
plot $texts using 1:2:3 with labels left font 'sans-serif,11' textcolor {colour('ink')} noenhanced, \\
 $ones using 1:2:3:4 with vectors nohead linecolor {colour('raw')} linewidth 1.2, \\
 $limits using 1:2:3:4 with vectors nohead linecolor {colour('goal')} linewidth 1.8, \\
""" + ", \\\n".join(
        f""" ${side} using 1:2:5:(0) with vectors nohead linecolor {colour(tone)} linewidth 3.2, \\
 ${side} using 1:2:3:4 with xerrorbars linecolor {colour(tone)} linewidth 1.2 pointtype 7 pointsize 0.5"""
        for side, tone in (("good", "ours"), ("bad", "third"))) + "\n"
    caption = ("Time of ours divided by time of raw. The bar begins at 1, as fast as raw; the fine line goes from the "
               "lower to the upper quartile. Red: where a goal ends; orange: beyond it.")
    return [Picture(name, program, caption, draw(name, script))]


# --- sweeps: time over the number of CPUs

@dataclass
class Line:
    title: str
    points: list  # (x, middle, low, high)


def spread(x, values):
    return x, statistics.median(values), *quartiles(values)


def tics_of(xs):
    """As many of the numbers as have room side by side on a logarithmic axis, the ends among them."""
    first, *between, last = sorted(xs) if len(xs) > 1 else [*xs, *xs]
    step = max(1.4, (last / first) ** (1 / 8))
    shown = [first]
    for x in between:
        if x >= shown[-1] * step * 0.99 and last >= x * step * 0.99:
            shown.append(x)
    return ", ".join(f'"{x:,}" {x}' for x in dict.fromkeys([*shown, last]))


def key_rows(titles):
    """How many rows the key will have below the picture."""
    across = max(1, int(WIDTH * 0.85 / (max(map(len, titles)) * 7.5 + 50)))
    return math.ceil(len(titles) / across)


def over_cpus(name, title, lines, halo=False, counted="CPUs"):
    """Both axes logarithmic: a straight line is a power, parallel ones are a constant ratio.

    The first line is ours, and on top; with `halo` the second is wide, to be seen where ours covers it.
    """
    points = [p for line in lines for p in line.points]
    low, high = min(p[2] for p in points) / 1.3, max(p[3] for p in points) * 1.3
    xs = {p[0] for p in points}
    styles = [f"linecolor {colour(LINES[i % len(LINES)])} linewidth {2 if i == 0 else 5 if i == 1 and halo else 1.5} "
              "pointtype 7 pointsize 0.5" for i in range(len(lines))]
    script = head(name, title, 325 + 18 * key_rows([line.title for line in lines]))
    script += "".join(data_block(f"l{i}", line.points) for i, line in enumerate(lines))
    script += f"""set logscale xy
set xrange [{min(xs) / 1.12:g}:{max(xs) * 1.12:g}]
set yrange [{low:g}:{high:g}]
set xtics ({tics_of(xs)})
set ytics ({time_tics(low, high)})
set xlabel {quoted(counted)} textcolor {colour('muted')} offset 0,0.4
set grid linetype 1 linecolor {colour('grid')} linewidth 0.8
set key outside bottom center horizontal Left reverse
"""
    curves = [f"$l{i} using 1:2:3:4 with yerrorlines {style} notitle" for i, style in enumerate(styles)]
    entries = [f"keyentry with linespoints {style} title {quoted(line.title)}" for style, line in zip(styles, lines)]
    return draw(name, script + "plot " + ", \\\n ".join([*reversed(curves), *entries]) + "\n")


def others(benchmark, said=lambda key, value: f"{key} {value}"):
    """What a picture over the CPUs, or over those that are parked, holds still: "asleep, place near"."""
    fixed = [benchmark.variant] + [said(k, v) for k, v in benchmark.parameters.items() if k not in CPUS + PARKED]
    return ", ".join(f for f in fixed if f)


def titled(title, benchmark):
    fixed = others(benchmark, parameter_in_words)
    return title + (f" ({fixed})" if fixed else "")


def sweeps(results):
    """What was run for several numbers of CPUs, none of them parked before: what it measures, over them.

    Pairs with the same left side share a picture: ours, and each of what it is compared with, be it by another program.
    """
    groups = defaultdict(lambda: defaultdict(list))
    first = {}
    for b in results.benchmarks:
        x = b.cpus
        if x is None or b.parked is not None or b.is_control or not b.entries:
            continue
        key = (b.family.partition("_vs_")[0] if b.is_pair else b.family), others(b)
        first.setdefault(key, b)
        if b.is_pair:
            groups[key]["ours"].append(spread(x, b.values("ours_ns")))
            groups[key][raw_in_words(b.family) or "raw"].append(spread(x, b.values("raw_ns")))
        else:
            for counter in (c for c in b.counters if c.endswith("_ns")):
                groups[key][counter.removesuffix("_ns")].append(spread(x, b.values(counter)))
    pictures = []
    for (subject, fixed), lines in groups.items():
        drawn = [Line(title.replace("_", " "), merged(points)) for title, points in lines.items()]
        drawn = [line for line in drawn if len(line.points) > 1]
        if not drawn:
            continue
        name = file_name(subject, fixed)
        benchmark = first[subject, fixed]
        title = titled(ours_in_words(benchmark.family), benchmark)
        caption = f"Medians and quartiles of the repetitions, by the number of {benchmark.counted}. Logarithmic axes."
        svg = over_cpus(name, title, drawn, halo=benchmark.is_pair, counted=benchmark.counted)
        pictures.append(Picture(name, benchmark.program, caption, svg))
    return pictures


def merged(points):
    """One point for each x: ours is measured once for each thing that it is compared with. Above zero: the axis is
    logarithmic."""
    by_x = defaultdict(list)
    for point in points:
        by_x[point[0]].append(point)
    return [(x, statistics.median(p[1] for p in ps), min(p[2] for p in ps), max(p[3] for p in ps))
            for x, ps in sorted(by_x.items()) if min(p[2] for p in ps) > 0]


# --- parked losers: what is left to do

def parked_losers(results):
    """The time to stop all, over the share of them that is parked already, beside what is left to do."""
    groups = defaultdict(lambda: defaultdict(list))
    first = {}
    for b in with_parked(results):
        key = b.program, b.family, others(b)
        first.setdefault(key, b)
        groups[key][b.cpus].append((share_parked(b), b.median("ratio"), *b.ratio_quartiles()))
    return [stop_beside_parked(first[key], sizes) for key, sizes in groups.items()]


def stop_beside_parked(benchmark, sizes):
    """A picture of parked_losers(): a line for each number of CPUs. `benchmark` is one of them."""
    name = file_name(benchmark.family, others(benchmark))
    script = head(name, titled("Stopping all when some are parked already", benchmark), 360)
    goal = f"""1-x+0.1 with lines linecolor {colour('goal')} dashtype 2 linewidth 1 title "goal", \\
 """ if has_goal_by_share(benchmark) else ""
    script += "".join(data_block(f"n{cpus}", sorted(points)) for cpus, points in sizes.items())
    high = max(1.15, *(p[3] * 1.03 for points in sizes.values() for p in points))
    script += f"""set xrange [-0.02:1.02]
set yrange [0:{high:g}]
set xtics ("none" 0, "1/4" 0.25, "half" 0.5, "3/4" 0.75, "all" 1)
set xlabel "share of the others that is parked" textcolor {colour('muted')} offset 0,0.4
set ylabel "time, whole stop = 1" textcolor {colour('muted')} offset 1.2,0
set grid linetype 1 linecolor {colour('grid')} linewidth 0.8
set key outside bottom center horizontal Left reverse
plot {goal}1-x with lines linecolor {colour('muted')} linewidth 1 title "what is left", \\
""" + ", \\\n".join(
        f" $n{cpus} using 1:2:3:4 with yerrorlines linecolor {colour(tone)} linewidth 1.6 pointtype 7 pointsize 0.5 "
        f"title {quoted(f'{cpus} CPUs')}"
        for tone, cpus in zip(["ours", "third", "fourth", "fifth", "raw", "ink"] * 9, sizes)) + "\n"
    caption = ("A loser that is parked counts as stopped and is sent nothing, so that only what is left takes time. "
               "Bars: quartiles.")
    return Picture(name, benchmark.program, caption, draw(name, script))


def pictures(results, judged):
    """All of them, each program's ratios last."""
    apart = with_parked(results)  # these have a picture of their own
    found, limits = [], {m.key: v.goal.limit for v in judged for m in v.measured}
    for program in dict.fromkeys(b.program for b in results.benchmarks):
        shown = [b for b in results.pairs() if b.program == program and b not in apart]
        found += ratios(program, shown, limits)
    return sweeps(results) + parked_losers(results) + found
