# SPDX-License-Identifier: BSL-1.0
"""Draws how long crashes take, over the number of threads that crash together: one picture of two panels."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

import gnuplot  # noqa: E402
import plots  # noqa: E402

FIRST_LINE, END = MEASURED = ("the report's first line", "the process's end")
TITLE = "From the fault of all threads"
STYLES = {"lastcpu: report": ("ours", 1), "lastcpu: report and core": ("ours", 2), "lastcpu: in place": ("fifth", 1),
          "Abseil": ("third", 1), "glog": ("fourth", 1), "no handler": ("raw", 1), "kernel's core alone": ("raw", 2)}
LICENCE = "<!-- SPDX-License-Identifier: BSL-1.0 -->\n"


def style(title):
    tone, dashes = STYLES[title]
    return f"linecolor {gnuplot.colour(tone)} dashtype {dashes} linewidth 1.6 pointtype 7 pointsize 0.5"


def points_of(times, title, what):
    return [plots.spread(threads, values) for threads, values in sorted(times[title, what].items()) if values]


def panel(number, times, titles, what):
    """A plot of one measure; blocks of data are named after the panel."""
    lines = [(title, points) for title in titles if (points := points_of(times, title, what))]
    low = min(p[2] for _, points in lines for p in points) / 1.3
    high = max(p[3] for _, points in lines for p in points) * 1.3
    xs = sorted({p[0] for _, points in lines for p in points})
    script = "".join(plots.data_block(f"p{number}_{i}", points) for i, (_, points) in enumerate(lines))
    script += f"""set title {gnuplot.quoted(f"{TITLE} to {what}")} textcolor {gnuplot.colour('ink')} offset 0,-0.4
set xrange [{xs[0] / 1.12:g}:{xs[-1] * 1.12:g}]
set yrange [{low:g}:{high:g}]
set xtics ({plots.tics_of(xs)})
set ytics ({plots.time_tics(low, high)})
"""
    return script + "plot " + ", \\\n ".join(
        f"$p{number}_{i} using 1:2:3:4 with yerrorlines {style(title)} notitle" for i, (title, _) in enumerate(lines))


def in_words(times, titles):
    """The medians, for who does not see the picture."""
    return "; ".join(f"{title}, to {what}: " + ", ".join(f"{plots.time_text(p[1])} with {p[0]}" for p in points)
                     for what in MEASURED for title in titles if (points := points_of(times, title, what)))


def script_of(times, titles):
    keys = ", \\\n ".join(f"keyentry with linespoints {style(t)} title {gnuplot.quoted(t)}" for t in titles)
    return gnuplot.head("crash_reporters", "", 720) + f"""set multiplot layout 2,1
set logscale xy
set grid linetype 1 linecolor {gnuplot.colour('grid')} linewidth 0.8
unset key
{panel(0, times, titles, FIRST_LINE)}
set key outside bottom center horizontal Left reverse
set xlabel "threads that crash together" textcolor {gnuplot.colour('muted')} offset 0,0.4
{panel(1, times, titles, END)}, \\
 {keys}
unset multiplot
"""


def draw(times, columns, path):
    titles = [h.title for h in columns]
    svg = gnuplot.draw("crash_reporters", script_of(times, titles))
    svg = svg.replace("<svg", f'{LICENCE}<svg role="img"', 1)
    svg = re.sub("<title>.*?</title>", f"<title>{TITLE}</title>", svg, count=1)
    svg = re.sub("<desc>.*?</desc>", lambda _: f"<desc>Medians. {in_words(times, titles)}.</desc>", svg, count=1, flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
