# SPDX-License-Identifier: BSL-1.0
"""report.html: one page that opens from disk, with everything inside."""
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from goals import NOT_MEASURED, REACHED
from gnuplot import DARK_RULES, PALETTE, inline
from names import in_words
from plots import time_text


# What the programs are about, in the order of the page; another one comes after them under its own name.
TITLES = {
    "panic_cpu_bench": "The gate",
    "panic_cpu_peers_bench": "The gate, and what people use in its place",
    "stop_cpus_bench": "Stopping the others",
    "stop_cpus_boehm_bench": "Stopping the others, and Boehm GC's stop-the-world",
    "storm_bench": "All CPUs at once",
    "parked_losers_bench": "What parked losers cost the winner",
    "panic_bench": "From the fault to the end",
    "panic_abseil_bench": "From the fault to the end, and Abseil's handler",
    "panic_glog_bench": "From the fault to the end, and glog's handler",
    "crash_image_bench": "The crash image",
    "digest_bench": "The digest of a crash image",
}


BESIDE = 3  # pictures go beside the tables; what is left goes below


@dataclass
class Section:
    program: str
    title: str
    pairs: list = field(default_factory=list)
    others: list = field(default_factory=list)
    skipped: list = field(default_factory=list)  # benchmarks
    beside: list = field(default_factory=list)  # pictures
    below: list = field(default_factory=list)


def palette():
    names = [";".join(f"--{name}:{shades[i]}" for name, shades in PALETTE.items()) for i in (0, 1)]
    return Markup(f":root{{{names[0]}}}\n@media (prefers-color-scheme: dark){{:root{{{names[1]}}}{DARK_RULES}}}")


def ratio(value):
    return "" if value is None else f"{value:.3f}"


def pair_row(b, over):
    low, high = b.ratio_quartiles()
    return {"label": b.label, "words": in_words(b), "ours": time_text(b.median("ours_ns")), "raw": time_text(b.median("raw_ns")),
            "ratio": ratio(b.median("ratio")), "p25": ratio(low), "p75": ratio(high),
            "more": ", ".join(f"{what} {o:.3g} and {r:.3g}" for what, (o, r) in b.more_figures.items()),
            "over": (b.program, b.name) in over}


def other_row(b):
    def shown(counter):
        value = b.median(counter)
        if counter.endswith("_ns"):
            return f"{counter.removesuffix('_ns').replace('_', ' ')} {time_text(value)}"
        return f"{counter.replace('_', ' ')} {value:,.4g}"
    figures = [shown(c) for c in b.counters] or [time_text(statistics.median(b.real_ns()))]
    return {"label": b.label, "words": in_words(b), "figures": ", ".join(figures)}


def sections(results, pictures, verdicts):
    over = {m.key for v in verdicts for m in v.missed}
    programs = dict.fromkeys(b.program for b in results.benchmarks)
    for program in sorted(programs, key=lambda p: list(TITLES).index(p) if p in TITLES else len(TITLES)):
        all_of_it = [b for b in results.benchmarks if b.program == program]
        mine = [b for b in all_of_it if b.entries]
        shown = [p for p in pictures if p.section == program]
        section = Section(program if program in TITLES else "", TITLES.get(program, program or "All benchmarks"))
        section.pairs = [pair_row(b, over) for b in mine if b.is_pair]
        section.others = [other_row(b) for b in mine if not b.is_pair]
        section.beside, section.below = shown[:BESIDE], shown[BESIDE:]
        section.skipped = [b for b in all_of_it if b.skipped]
        if mine or section.skipped:
            yield section


def facts(context):
    names = {"host_name": "host", "cpu": "CPU", "num_cpus": "CPUs", "kernel": "kernel", "compiler": "compiler",
             "lastcpu": "lastcpu", "lastcpu_commit": "commit", "date": "date", "load_avg": "load at the start",
             "lastcpu_mode": "mode", "lastcpu_programs": "programs"}
    hidden = {"executable", "caches", "library_build_type", "json_schema_version", "library_version", "lastcpu_command",
              "lastcpu_left_out", "mhz_per_cpu", "cores", "cpu_scaling_enabled"}
    for key in [*names, *(k for k in context if k not in names and k not in hidden)]:
        if (value := context.get(key)) not in (None, ""):
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield names.get(key, key.replace("_", " ")), text
    if context.get("cpu_scaling_enabled"):
        yield "frequency scaling", "on: times move with it, ratios hardly"


def notes(results):
    yield from results.left_out()
    if results.context.get("lastcpu_mode") == "quick":
        yield "A quick run: what takes long had few rounds. Figures to quote come from tools/bench without --quick."
    if busy := results.was_busy():
        yield f"Read the times with care: {busy}. Ratios of short operations hold; what takes milliseconds may not."


def controls(results):
    """What the controls of each program read: "x_bench 0.999 to 1.002"."""
    found = {}
    for b in results.pairs():
        if b.is_control:
            found.setdefault(b.program, []).append(b.median("ratio"))
    return "; ".join(f"{program} {min(values):.3f} to {max(values):.3f}".strip() for program, values in found.items())


def figure(picture):
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>"
    return Markup(f"<figure>{inline(picture.svg, picture.caption)}{caption}</figure>")


def render(results, pictures, verdicts, warnings, simulated=None):
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    context = dict.fromkeys(("cpu", "num_cpus", "lastcpu_commit", "lastcpu_command")) | results.context
    words = [v.word for v in verdicts]
    return environment.get_template("report.html.j2").render(
        context=context, host=context.get("host_name", ""), date=str(context.get("date", ""))[:10].strip(),
        repetitions=results.repetitions(), warnings=[*warnings, *notes(results)], verdicts=verdicts,
        reached=words.count(REACHED), measured=len(words) - words.count(NOT_MEASURED), controls=controls(results),
        palette=palette(), sections=list(sections(results, pictures, verdicts)), facts=list(facts(results.context)),
        figure=figure, in_words=in_words, simulated=simulated)
