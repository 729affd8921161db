# SPDX-License-Identifier: BSL-1.0
"""The part of the report that no host here can measure: what research/simulation says of up to 4,096 CPUs."""
from collections import defaultdict
from dataclasses import dataclass

from plots import Line, Picture, over_cpus
from results import BadResults, read_document

# What the code does, where one message can go to all.
CHOSEN = {"broadcast", "record", "look first, 100 ns", "losers sleep"}
SECTION = "simulation"


@dataclass
class Simulation:
    statements: list  # {"said", "cpus", "ratio", "best": [ratio, cost], "worst": [ratio, cost]}
    pictures: list
    host: str


def lines(rows, name, figure):
    """One line for each name, the chosen design first."""
    points = defaultdict(list)
    for row in rows:
        points[name(row)].append((row["cpus"], row[figure], row[figure], row[figure]))
    return [Line(title, sorted(points[title])) for title in sorted(points, key=lambda title: title not in CHOSEN)]


def picture(name, title, caption, curves):
    return Picture(name, SECTION, caption, over_cpus(name, title, curves))


def pictures(document):
    whole = [r for r in document["stop"] if r["losers"] == 0]
    asked = lines([r for r in whole if r["design"].endswith(", record")],
                  lambda r: r["design"].removesuffix(", record").replace("_", " "), "stopped_ns")
    answered = lines([r for r in whole if r["request"] == "broadcast"],
                     lambda r: r["design"].removeprefix("broadcast, "), "stopped_ns")
    claimed = lines(document["claim"], lambda r: f"{r['way'].replace('_', ' ')}, {r['spread_ns']:,} ns", "all_know_ns")
    stepped = lines(document["step"], lambda r: f"losers {r['losers']}", "step_ns")
    return [
        picture("simulated_request", "How to ask them to stop",
                "Simulated time until all are known to have stopped: one message for each, for each cluster of 16, for "
                "all, or a tree. Each answers in a record of its own.", asked),
        picture("simulated_answer", "How they answer",
                "The same with one message for all: answers in one counter, several, packed flags, or a record each, "
                "the owner's report apart from it or in it.", answered),
        picture("simulated_claim", "All claim the gate",
                "Simulated time until the last loser knows that it has lost, when all begin within 100 ns or 10 µs: "
                "they look at the word first, as in the code, or exchange at once.", claimed),
        picture("simulated_step", "One exchange of the winner's",
                "Simulated time of one exchange of the gate by its owner, while the losers watch its cache line, or "
                "sleep as in the code.", stepped),
    ]


def read(path):
    document = read_document(path, "what research/simulation/simulate.py writes")
    try:
        host = document["host"] or {}
        return Simulation(document["statements"], pictures(document), host.get("cpu", "an unknown CPU"))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadResults(f"{path}: is not what research/simulation/simulate.py writes; run it again") from error
