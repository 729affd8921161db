# SPDX-License-Identifier: BSL-1.0
"""Results in Google Benchmark's JSON format: reading, checking, merging, writing.

A benchmark is known by its program and its name. Each has one entry for each repetition. `tools/bench` starts a fresh
process for each repetition, so that what differs from run to run is in the dispersion.
"""
import json
import math
import re
import statistics
from dataclasses import dataclass, field

# What Google Benchmark says about an entry; everything else that is a number is a counter.
BOOKKEEPING = {"family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations",
               "real_time", "cpu_time"}
# What it adds to a name about how it ran, not about what was run.
HOW_IT_RAN = re.compile(r"/(real_time|process_time|manual_time|(iterations|repeats|min_time|min_warmup_time):[^/]*)")
# The parameters that say how many CPUs take part, and how many of them had lost and were parked before.
CPUS = ("cpus", "threads")
PARKED = ("parked", "losers")
# How the label begins of a benchmark that this host cannot run; the reason follows.
SKIPPED = "skipped: "
NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


class BadResults(Exception):
    """A file is not what it should be. The text names the file and the remedy."""


@dataclass
class Benchmark:
    program: str
    name: str
    entries: list = field(default_factory=list)
    error: str = ""
    skipped: str = ""  # why this host cannot run it

    @property
    def label(self):
        """The name as people read it."""
        return HOW_IT_RAN.sub("", self.name)

    @property
    def family(self):
        """The name without template arguments and parameters."""
        return re.split(r"[</]", self.label, maxsplit=1)[0]

    @property
    def variant(self):
        """The template arguments."""
        match = re.search(r"<(.*)>", self.label)
        return match.group(1) if match else ""

    @property
    def parameters(self):
        """{"cpus": "8", "place": "spread"} of a name that ends in /cpus:8/place:spread."""
        return dict(re.findall(r"/([A-Za-z_]\w*):([^/]*)", self.label))

    def number(self, names):
        """The value of the parameter that has one of these names, or None."""
        values = [v for k, v in self.parameters.items() if k in names and v.isdigit()]
        return int(values[0]) if values else None

    @property
    def counted(self):
        """What `cpus` counts: "CPUs" or "threads"."""
        return "threads" if "threads" in self.parameters else "CPUs"

    @property
    def cpus(self):
        return self.number(CPUS)

    @property
    def parked(self):
        return self.number(PARKED)

    @property
    def counters(self):
        return [key for key, value in (self.entries[0] if self.entries else {}).items()
                if key not in BOOKKEEPING and is_number(value)]

    @property
    def more_figures(self):
        """What a pair reports besides its times: {"one report": (ours, raw)} of ours_one_report and raw_one_report.

        Means: these are shares of the rounds, as a rule, and a median would hide the rare one.
        """
        sides = {}
        for counter in self.counters:
            side, _, what = counter.partition("_")
            if side in ("ours", "raw") and what != "ns":
                sides.setdefault(what.replace("_", " "), {})[side] = statistics.fmean(self.values(counter))
        return {what: (pair["ours"], pair["raw"]) for what, pair in sides.items() if len(pair) == 2}

    @property
    def is_pair(self):
        return {"ratio", "ours_ns", "raw_ns"} <= set(self.counters)

    @property
    def is_control(self):
        """The same code on both sides: what the method itself makes of a ratio of 1."""
        return self.family.startswith("control")

    def values(self, counter):
        return [entry[counter] for entry in self.entries if is_number(entry.get(counter))]

    def median(self, counter):
        values = self.values(counter)
        return statistics.median(values) if values else None

    def ratio_quartiles(self):
        """(25 %, 75 %) of the ratio: of the rounds within a repetition, or of the repetitions, whichever is wider.

        What takes long has one round only; what is short has many, but all in one process.
        """
        low, high = quartiles(self.values("ratio"))
        rounds = self.median("ratio_p25"), self.median("ratio_p75")
        return min(low, rounds[0] or low), max(high, rounds[1] or high)

    def real_ns(self):
        """Google Benchmark's own time for one iteration, in nanoseconds, for each repetition."""
        return [entry["real_time"] * NANOSECONDS[entry.get("time_unit", "ns")] for entry in self.entries
                if is_number(entry.get("real_time"))]


@dataclass
class Results:
    context: dict
    benchmarks: list

    def repetitions(self):
        return max((len(b.entries) for b in self.benchmarks), default=0)

    def left_out(self):
        """What could not be measured against, and why."""
        lines = self.context.get("lastcpu_left_out")
        return [f"Not measured: {line}." for line in lines] if isinstance(lines, list) else []

    def was_busy(self):
        """What to tell of a host that had other work when the run began, or ""."""
        loads, cpus = self.context.get("load_avg"), self.context.get("num_cpus")
        if not isinstance(loads, list) or not loads or not is_number(loads[0]) or not is_number(cpus):
            return ""
        if loads[0] <= 1.5 * cpus:
            return ""
        return f"the host was busy when the run began: load {loads[0]:.1f} on {cpus} CPUs"

    def pairs(self):
        return [b for b in self.benchmarks if b.is_pair]


def quartiles(values):
    """(25 %, 75 %); `values` must not be empty."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, high


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def read_document(path, wanted):
    """The object in the JSON file; `wanted` says what should be there."""
    remedy = f"wanted is {wanted}"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise BadResults(f"{path}: {reason}; {remedy}") from error
    if not text.strip():
        raise BadResults(f"{path}: is empty, as a run that was cut short leaves it; {remedy}")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadResults(f"{path}: is not JSON ({error}); {remedy}") from error
    if not isinstance(document, dict):
        raise BadResults(f"{path}: is no JSON object; {remedy}")
    return document


def read_json(path):
    """The document in the file, as far as it has the form that Google Benchmark gives it."""
    wanted = "what `tools/bench` or a benchmark program with --benchmark_out=FILE writes"
    document, remedy = read_document(path, wanted), f"wanted is {wanted}"
    listed = document.get("benchmarks")
    if not isinstance(listed, list) or not isinstance(document.get("context"), dict):
        raise BadResults(f"{path}: has no \"context\" and \"benchmarks\" as Google Benchmark writes them; {remedy}")
    if not all(isinstance(e, dict) and isinstance(e.get("name"), str) for e in listed):
        raise BadResults(f"{path}: an entry of \"benchmarks\" has no \"name\"; {remedy}")
    if not listed:
        raise BadResults(f"{path}: holds no benchmarks, as a filter that fits none leaves it; {remedy}")
    return document


def add_entries(benchmarks, entries, program):
    """Adds each repetition to the benchmark it belongs to. `benchmarks`: {(program, name): Benchmark}."""
    for entry in entries:
        if entry.get("run_type", "iteration") != "iteration":
            continue
        key = entry.get("program", program), entry.get("run_name", entry["name"])
        benchmark = benchmarks.setdefault(key, Benchmark(*key))
        if entry.get("error_occurred"):
            benchmark.error = entry.get("error_message") or "failed without saying why"
        elif str(entry.get("label", "")).startswith(SKIPPED):
            benchmark.skipped = entry["label"].removeprefix(SKIPPED)
        else:
            benchmark.entries.append(entry)


def load(path):
    document = read_json(path)
    found = {}
    add_entries(found, document["benchmarks"], "")
    if not found:
        raise BadResults(f"{path}: holds aggregates only; run it without --benchmark_report_aggregates_only")
    return Results(document["context"], list(found.values()))


def aggregates(benchmark):
    """What Google Benchmark would have added for so many repetitions."""
    if len(benchmark.entries) < 2:
        return
    kinds = {"mean": statistics.fmean, "median": statistics.median, "stddev": statistics.stdev,
             "cv": lambda v: statistics.stdev(v) / abs(statistics.fmean(v)) if statistics.fmean(v) else 0.0}
    first = benchmark.entries[0]
    for kind, compute in kinds.items():
        row = {"name": f"{benchmark.name}_{kind}", "run_name": benchmark.name, "run_type": "aggregate",
               "repetitions": len(benchmark.entries), "threads": first.get("threads", 1), "aggregate_name": kind,
               "aggregate_unit": "percentage" if kind == "cv" else "time", "iterations": len(benchmark.entries),
               "time_unit": first.get("time_unit", "ns"), "program": benchmark.program}
        for counter in ["real_time", "cpu_time", *benchmark.counters]:
            values = benchmark.values(counter)
            if len(values) > 1:
                row[counter] = compute(values)
        yield row


def save(results, path):
    rows = []
    for benchmark in results.benchmarks:
        count = len(benchmark.entries)
        for index, entry in enumerate(benchmark.entries):
            rows.append({**entry, "repetitions": count, "repetition_index": index, "program": benchmark.program})
        rows += aggregates(benchmark)
        if benchmark.error:
            rows.append({"name": benchmark.name, "run_name": benchmark.name, "run_type": "iteration",
                         "program": benchmark.program, "error_occurred": True, "error_message": benchmark.error})
        elif benchmark.skipped:
            rows.append({"name": benchmark.name, "run_name": benchmark.name, "run_type": "iteration",
                         "program": benchmark.program, "label": SKIPPED + benchmark.skipped})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"context": results.context, "benchmarks": rows}, file, indent=1)
        file.write("\n")
