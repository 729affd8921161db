# SPDX-License-Identifier: BSL-1.0
"""Draws SVG by gnuplot, for a page, a phone and a dark room: a few fixed colours, each with its dark twin."""
import re
import shutil
import subprocess
from html import escape

# name: (light, dark)
PALETTE = {
    "paper": ("#fdfdfc", "#15191d"),
    "ink": ("#1f2933", "#e4e8eb"),
    "muted": ("#66727c", "#98a4ad"),
    "grid": ("#dde2e6", "#323a42"),
    "ours": ("#0b6e99", "#56b6e2"),
    "raw": ("#9aa4ad", "#7d8891"),
    "third": ("#d07a1f", "#f0a553"),
    "fourth": ("#7d55c7", "#b99af0"),
    "fifth": ("#2c8a57", "#63cf95"),
    "goal": ("#c0263c", "#ff7285"),
}
LINES = ["ours", "raw", "third", "fourth", "fifth", "goal"]
DARK_RULES = "".join(f'svg [{what}="{light}"]{{{what}:{dark}}}'
                     for light, dark in PALETTE.values() for what in ("fill", "stroke", "color"))
STYLE = f"<style>@media (prefers-color-scheme: dark){{{DARK_RULES}}}</style>"
WIDTH = 460


class PlotError(Exception):
    pass


def colour(name):
    return f"rgb '{PALETTE[name][0]}'"


def quoted(text):
    """A string of gnuplot's: between double quotes a backslash and a quote would end it or mean something."""
    return '"' + str(text).replace("\\", "/").replace('"', "'").replace("\n", " ") + '"'


def head(name, title, height):
    return f"""set terminal svg size {WIDTH},{height} dynamic noenhanced font 'sans-serif,13' name {quoted(name)} \
background {colour('paper')} linewidth 1.3
set encoding utf8
set title {quoted(title)} textcolor {colour('ink')} offset 0,-0.4
set tmargin 2
set border 3 linecolor {colour('muted')} linewidth 0.8
set tics nomirror scale 0.6 textcolor {colour('muted')}
set key textcolor {colour('ink')} samplen 2 spacing 1.1
"""


def draw(name, script):
    """The SVG document for a script of gnuplot's."""
    program = shutil.which("gnuplot")
    if program is None:
        raise PlotError("gnuplot is not installed; on Debian and Ubuntu: apt-get install gnuplot-nox")
    result = subprocess.run([program, "-"], input=script, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != 0 or "</svg>" not in result.stdout:
        raise PlotError(f"gnuplot could not draw '{name}':\n{result.stderr.strip()}")
    return adapted(name, result.stdout)


def adapted(name, svg):
    """Colours as hex, so that the dark rules find them; ids that stay unique when pictures share a page."""
    def as_hex(match):
        return "#" + "".join(f"{int(part):02x}" for part in match.groups())
    svg = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)", as_hex, svg)
    svg = re.sub(r"""\bid=(['"])([^'"]*)\1""", rf'id="{name}-\2"', svg)
    svg = re.sub(r"""xlink:href=(['"])#([^'"]*)\1""", rf'xlink:href="#{name}-\2"', svg)
    return svg.replace("<defs>", STYLE + "<defs>", 1)


def inline(svg, title):
    """The same for inside a page, which has the dark rules already."""
    svg = re.sub(r"<title>[^<]*</title>\s*<desc>[^<]*</desc>", f"<title>{escape(title)}</title>", svg, count=1)
    svg = re.sub(r"<title>[^<]*_plot_[^<]*</title>|<title></title>", "", svg)
    return svg[svg.index("<svg"):].replace(STYLE, "").replace("<svg", '<svg role="img"', 1)
