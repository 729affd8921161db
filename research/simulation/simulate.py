#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Simulates the stop and the claim on up to 4,096 CPUs, from what single operations cost.

Prints tables, and writes simulation.json and the plots stop.svg (the designs that matter), stop_request.svg,
stop_answer.svg and claim.svg. What a cost is
and where its value comes from stands in assumed.json; --costs FILE replaces those that it names: costs.json was measured
by `measure_costs` on a small host, and that program makes a file for yours. Needs SimPy 3 and gnuplot.
"""
import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is left in the source tree
HERE = Path(__file__).resolve().parent
NEXT = "on Debian or Ubuntu: apt-get install python3-simpy3 gnuplot-nox"


def need_simpy():
    """Where another python3 comes first in the path, the system's has Debian's modules."""
    try:
        import simpy  # noqa: F401
    except ImportError:
        system = "/usr/bin/python3"
        if os.path.exists(system) and "LASTCPU_SIMULATION" not in os.environ:
            os.environ["LASTCPU_SIMULATION"] = "second try"
            os.execv(system, [system, *sys.argv])
        sys.exit(f"SimPy 3 is not installed; {NEXT}")


need_simpy()

from claim import Claim, step_ns  # noqa: E402
from sleeping_threads import stop_ns  # noqa: E402
from stop import Design, Stop, lost_behind  # noqa: E402

REQUESTS = [Design("loop_xapic"), Design("loop"), Design("cluster"), Design("broadcast"), Design("tree_2"),
            Design("tree_8")]
ANSWERS = [Design("broadcast", "counter"), Design("broadcast", "counters"), Design("broadcast", "packed"),
           Design("broadcast", "record", "in_record"), Design("broadcast")]
CHOSEN = [Design("broadcast", "counter"), Design("loop"), Design("cluster"), Design("broadcast", "record", "in_record"),
          Design("broadcast"), Design("tree_8")]
CLAIMS = [("look_first", 100), ("at_once", 100), ("look_first", 10_000), ("at_once", 10_000)]
XAPIC_CPUS = 255

# (what is said, the design that must be better, the one beside it, by which figure)
STATEMENTS = [
    ("report apart from the records", Design("broadcast"), Design("broadcast", "record", "in_record"), "stopped"),
    ("a flag for each CPU, not one counter", Design("broadcast"), Design("broadcast", "counter"), "stopped"),
    ("flags in the records, not packed, until the registers are read", Design("broadcast"),
     Design("broadcast", "packed"), "notes"),
    ("one message for 16 CPUs, not for each", Design("cluster"), Design("loop"), "stopped"),
    ("broadcast, not a tree of 8", Design("broadcast"), Design("tree_8"), "stopped"),
]
STATEMENT_CPUS = 1024


def read_costs(path):
    """(costs, whatever else FILE has); both files must be right, or nothing is done."""
    known = json.loads((HERE / "assumed.json").read_text(encoding="utf-8"))["costs"]
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        named = given["costs"]
        for name, cost in named.items():
            if name not in known:
                sys.exit(f"{path}: there is no cost '{name}'; use those of {HERE / 'assumed.json'}")
            least = 1 if cost["unit"] in ("CPUs", "lines") else 0
            if isinstance(cost["value"], bool) or not cost["value"] >= least:
                sys.exit(f"{path}: {name} is {cost['value']}; it must be at least {least}")
            if cost["unit"] != known[name]["unit"]:
                sys.exit(f"{path}: {name} is in {cost['unit']}; it must be in {known[name]['unit']}")
            known[name] |= cost
    except OSError as e:
        sys.exit(f"{path}: {e.strerror}; next: measure_costs {path}")
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        sys.exit(f"{path}: no cost file: {type(e).__name__}: {e}; measure_costs writes one")
    return known, given


def sizes(largest):
    n = 2
    while n < largest:
        yield n
        n *= 2
    yield largest


def stops(costs, options):
    for design in dict.fromkeys(REQUESTS + ANSWERS):
        for cpus in sizes(options.largest):
            if design.request != "loop_xapic" or cpus <= XAPIC_CPUS:
                yield design, cpus, 0
    for design in (Design("loop"), Design("cluster"), Design("broadcast")):
        for losers in sorted({1, options.largest // 2, options.largest - 2} & set(range(1, options.largest - 1))):
            yield design, options.largest, losers


def stop_rows(costs, options):
    return [{"design": d.name, "request": d.request, "answer": d.answer, "report": d.report, "cpus": cpus, "losers": k}
            | {f"{what}_ns": round(ns, 1) for what, ns in Stop(costs, cpus, d, k, options.seed).run().items()}
            for d, cpus, k in stops(costs, options)]


def claim_rows(costs, options):
    return [{"way": way, "spread_ns": spread, "cpus": cpus}
            | {f"{what}_ns": round(ns, 1) for what, ns in Claim(costs, cpus, way, spread, options.seed).run().items()}
            for way, spread in CLAIMS for cpus in sizes(options.largest)]


def step_rows(costs, options):
    return [{"losers": "watch" if watch else "sleep", "cpus": cpus,
             "step_ns": round(step_ns(costs, cpus, watch, options.seed), 1)}
            for watch in (True, False) for cpus in sizes(options.largest)]


def statement_rows(known, options):
    """Each statement with each cost at either end of its range, the others as given: how far it can turn."""
    cpus = min(STATEMENT_CPUS, options.largest)
    given = {name: cost["value"] for name, cost in known.items()}
    variants = [("as given", given)] + [(f"{name} {cost[end]:g} {cost['unit']}", given | {name: cost[end]})
                                        for name, cost in known.items() for end in ("low", "high")]
    rows = []
    results = [{} for _ in variants]

    def figure(i, costs, design, what):
        if design not in results[i]:
            results[i][design] = Stop(costs, cpus, design, 0, options.seed).run()
        return results[i][design][what]

    for said, better, worse, what in STATEMENTS:
        ratios = [(figure(i, costs, better, what) / figure(i, costs, worse, what), name)
                  for i, (name, costs) in enumerate(variants)]
        rows.append({"said": said, "cpus": cpus, "ratio": round(ratios[0][0], 3),
                     "best": [round(min(ratios)[0], 3), min(ratios)[1]],
                     "worst": [round(max(ratios)[0], 3), max(ratios)[1]]})
    return rows


def posix_rows(costs, given):
    measured = given.get("measured_stop_ns")
    if not measured:
        return []
    return [{"threads": int(n), "processors": measured["processors"], "measured_ns": ns,
             "simulated_ns": round(stop_ns(costs, int(n), measured["processors"]), 1)}
            for n, ns in measured["threads"].items()]


def table(title, heads, rows):
    print(f"\n{title}\n")
    print("| " + " | ".join(heads) + " |")
    print("|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def us(ns):
    return f"{ns / 1000:,.2f}" if ns < 10_000 else f"{ns / 1000:,.0f}"


def print_tables(found, largest):
    shown = [n for n in sizes(largest) if n in (2, 16, 64, 256, 1024, largest)]
    for what, title in (("stopped_ns", "us until all are known to have stopped"),
                        ("notes_ns", "us until their registers have been read as well")):
        by_design = {}
        for r in found["stop"]:
            if r["losers"] == 0:
                by_design.setdefault(r["design"], {})[r["cpus"]] = us(r[what])
        table(title, ["CPUs", *map(str, shown)],
              [[name, *(cells.get(n, "") for n in shown)] for name, cells in by_design.items()])
    table(f"us until all of {largest} are known to have stopped, some of them parked before",
          ["request", "parked", "us"],
          [[r["request"], str(r["losers"]), us(r["stopped_ns"])] for r in found["stop"]
           if r["cpus"] == largest and r["answer"] == "record" and r["report"] == "apart"
           and r["request"] in ("loop", "cluster", "broadcast")])
    table(f"{largest} CPUs claim the gate within so many ns: us", ["way", "within", "one has it", "its next exchange",
                                                                   "all know"],
          [[r["way"].replace("_", " "), f"{r['spread_ns']:,}", us(r["won_ns"]), us(r["step_ns"]), us(r["all_know_ns"])]
           for r in found["claim"] if r["cpus"] == largest])
    by_way = {}
    for r in found["step"]:
        by_way.setdefault(r["losers"], {})[r["cpus"]] = f"{r['step_ns']:,.0f}"
    table("One of the winner's exchanges of the gate, while the losers watch its line or sleep: ns",
          ["CPUs", *map(str, shown)], [[way, *(cells.get(n, "") for n in shown)] for way, cells in by_way.items()])
    table(f"CPUs that nobody asks when the tree's first node is wedged, of {largest}", ["sends to", "lost"],
          [[str(t["sends_to"]), f"{t['lost']:,}"] for t in found["tree"]])
    table("Statements, as a ratio of the two at " + str(found["statements"][0]["cpus"]) +
          " CPUs, and where one cost alone moves them most", ["statement", "ratio", "best", "worst"],
          [[s["said"], f"{s['ratio']:.2f}", f"{s['best'][0]:.2f} ({s['best'][1]})",
            f"{s['worst'][0]:.2f} ({s['worst'][1]})"] for s in found["statements"]])
    if found["posix"]:
        table("Threads that sleep, stopped by signals: us", ["threads", "simulated", "measured", "ratio"],
              [[str(p["threads"]), us(p["simulated_ns"]), us(p["measured_ns"]),
                f"{p['simulated_ns'] / p['measured_ns']:.2f}"] for p in found["posix"]])


def plot(path, title, ylabel, curves):
    """curves: [(name, [(x, us)])]. The text of the picture says where they end."""
    script = ["set terminal svg size 760,460 font 'DejaVu Sans,12' background '#fbfcfd'", f"set title '{title}'",
              "set xrange [1.8:*]", "set linetype 5 linecolor rgb '#c0263c'", "set xlabel 'CPUs'", f"set ylabel '{ylabel}'", "set logscale xy", "set grid", "set format y '%g'",
              "set xtics (2,4,8,16,32,64,128,256,512,1024,2048,4096)", "set key left top",
              "plot " + ", ".join(f"'-' with linespoints linewidth 2 title '{name.replace('_', ' ')}'"
                                  for name, _ in curves)]
    data = ["\n".join(f"{x} {y}" for x, y in points) + "\ne" for _, points in curves]
    svg = subprocess.run(["gnuplot"], input="\n".join(script + data) + "\n", text=True, check=True,
                         capture_output=True).stdout
    ends = "; ".join(f"{name}: {points[-1][1]:,.1f} us at {points[-1][0]} CPUs" for name, points in curves)
    svg = svg.replace("<svg", "<!-- SPDX-License-Identifier: BSL-1.0 -->\n<svg role=\"img\"", 1)
    svg = re.sub("<title>.*</title>", f"<title>{title}</title>", svg, count=1)
    svg = re.sub("<desc>.*</desc>", f"<desc>{ylabel[:1].upper()}{ylabel[1:]}. {ends}.</desc>", svg, count=1)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def plots(found, out):
    def curves(designs):
        return [(d.name, [(r["cpus"], r["stopped_ns"] / 1000) for r in found["stop"]
                          if r["design"] == d.name and r["losers"] == 0]) for d in designs]

    ylabel = "microseconds until all are known to have stopped"
    plot(out / "stop.svg", "Stopping all other CPUs", ylabel, curves(CHOSEN))
    plot(out / "stop_request.svg", "How to ask: one message each, for 16, for all, or a tree", ylabel, curves(REQUESTS))
    plot(out / "stop_answer.svg", "How to answer: one counter, many, packed flags, or a record each", ylabel,
         curves(ANSWERS))
    plot(out / "claim.svg", "All claim the gate", "microseconds until the last loser knows",
         [(f"{way}, within {spread:,} ns", [(r["cpus"], r["all_know_ns"] / 1000) for r in found["claim"]
                                           if (r["way"], r["spread_ns"]) == (way, spread)]) for way, spread in CLAIMS])


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", type=Path, default=HERE / "costs.json", help="measured costs (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="where the results go; made if it is not there")
    parser.add_argument("--seed", type=int, default=1, help="of what varies (%(default)s)")
    parser.add_argument("--largest", type=int, default=4096, help="number of CPUs (%(default)s)")
    options = parser.parse_args()
    if not 4 <= options.largest <= 65535:
        parser.error("--largest: 4 to 65535, which is what the gate can name")
    return options


def main():
    options = parse()
    try:
        subprocess.run(["gnuplot", "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"gnuplot is not installed; {NEXT}")
    known, given = read_costs(options.costs)
    costs = {name: cost["value"] for name, cost in known.items()}
    found = {"host": given.get("host"), "seed": options.seed, "costs": known, "stop": stop_rows(costs, options),
             "claim": claim_rows(costs, options), "step": step_rows(costs, options),
             "tree": [{"sends_to": k, "cpus": options.largest, "lost": lost_behind(options.largest, k)} for k in (2, 8)],
             "statements": statement_rows(known, options), "posix": posix_rows(costs, given)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "simulation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    plots(found, options.out)
    print_tables(found, options.largest)
    print(f"\nWritten: {options.out}/simulation.json, stop.svg, stop_request.svg, stop_answer.svg, claim.svg")


if __name__ == "__main__":
    main()
