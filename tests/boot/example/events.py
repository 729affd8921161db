# SPDX-License-Identifier: BSL-1.0
"""The timeline of a crash, as the crash kernel's lines "trace: TSC CPU KIND VALUE" tell it."""
import re
from dataclasses import dataclass
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[3] / "include/lastcpu"


def names_of(header, enum):
    """What to_string() of this enum calls its values, in their order: the one list that there is."""
    text = (INCLUDE / header).read_text(encoding="utf-8")
    body = (re.search(rf"\b{enum}_names\[\] = {{(.*?)}};", text, re.DOTALL) or
            re.search(rf"to_string\({enum} \w+\) noexcept {{.*?= {{(.*?)}};", text, re.DOTALL))
    return tuple(re.findall(r'"([^"]*)"', body.group(1)))


KINDS = names_of("cpu.hpp", "trace_kind")
PHASES = names_of("gate_word.hpp", "phase")
STATES = names_of("cpu.hpp", "stop_state")
STEPS = names_of("step.hpp", "step")
WORDS = {"claim_won": "won: ", "claim_lost": "lost to ", "pending_set": "marked pending", "released": "released",
         "pending_taken": "takes pending", "committed": "COMMITTED", "step_begun": "> ", "stop_sent": "stops ",
         "acknowledged": "ack ", "withdrawn": "ack withdrawn", "parked": "PARKED"}


@dataclass(frozen=True)
class Event:
    tsc: int
    cpu: int
    kind: str
    value: int

    def __str__(self):
        names = {"claim_won": PHASES, "step_begun": STEPS, "acknowledged": STATES}.get(self.kind)
        detail = ""
        if names is not None:
            detail = names[self.value] if self.value < len(names) else "?"
        elif self.kind in ("claim_lost", "stop_sent"):
            detail = str(self.value)
        return WORDS.get(self.kind, self.kind) + detail


def check(events, cpus):
    """What the events of one crash break of the library's promises, as sentences."""
    problems = [*one_commits(events), *steps_ascend(events), *only_the_owner_stops_others(events),
                *nobody_stops_the_parked(events), *nobody_goes_on(events)]
    for e in events:
        if e.cpu >= cpus or (e.kind == "stop_sent" and e.value >= cpus):
            problems.append(f"the timeline names a CPU that there is not: {e}")
    return problems


def one_commits(events):
    commits = [e.cpu for e in events if e.kind == "committed"]
    if len(commits) != 1:
        yield f"the timeline has {len(commits)} commits, not one (CPUs {commits})"


def steps_ascend(events):
    climbers = {}
    for e in events:
        if e.kind == "step_begun":
            climbers.setdefault(e.cpu, []).append(e.value)
    if len(climbers) != 1:
        yield f"{len(climbers)} CPUs went through the steps, not one: {sorted(climbers)}"
    for cpu, steps in climbers.items():
        if any(b <= a for a, b in zip(steps, steps[1:])):
            yield f"CPU {cpu} began a step twice or out of order: {[STEPS[s] for s in steps if s < len(STEPS)]}"


def only_the_owner_stops_others(events):
    owners = {e.cpu for e in events if e.kind == "committed"}
    for e in events:
        if e.kind != "stop_sent":
            continue
        if e.cpu not in owners:
            yield f"CPU {e.cpu} sent a stop to CPU {e.value} and had not committed"
        if e.cpu == e.value:
            yield f"CPU {e.cpu} sent a stop to itself"


def nobody_stops_the_parked(events):
    """A loser that had seen the commit when a rung began had acknowledged before, and gets no request on that rung."""
    rests_since, began = {}, 0
    for e in sorted(events, key=lambda e: e.tsc):
        if e.kind == "acknowledged" and STATES[e.value:e.value + 1] == ("parked",):
            rests_since[e.cpu] = None
        elif e.kind == "parked" and e.cpu in rests_since:
            rests_since[e.cpu] = e.tsc
        elif e.kind == "step_begun":
            began = e.tsc
        elif e.kind == "stop_sent" and (rests_since.get(e.value) or e.tsc) < began:
            yield f"CPU {e.cpu} sent a stop to CPU {e.value}, which had stopped"


def nobody_goes_on(events):
    """Behind the event `parked` of a CPU there is at most its acknowledgement, and `parked` when an NMI comes."""
    parked = {}
    for e in events:
        if e.cpu in parked and e.kind not in ("acknowledged", "parked"):
            yield f"CPU {e.cpu} was parked for good and went on: {e}"
        if e.kind == "parked":
            parked[e.cpu] = e


def to_microseconds(events, hz):
    """[(microseconds since the first event, event)], in the order of time."""
    ordered = sorted(events, key=lambda e: e.tsc)
    return [((e.tsc - ordered[0].tsc) * 1e6 / hz, e) for e in ordered]


def as_text(events, hz, cpus):
    width = 16
    lines = [f"{'us':>10} " + "".join(f" {f'CPU {cpu}':<{width - 1}}" for cpu in range(cpus)).rstrip()]
    rows = to_microseconds(events, hz)
    i = 0
    while i < len(rows):
        us, e = rows[i]
        text = str(e)
        while (e.kind == "stop_sent" and i + 1 < len(rows) and rows[i + 1][1].kind == "stop_sent"
               and rows[i + 1][1].cpu == e.cpu):
            i += 1
            text += f" {rows[i][1].value}"
        lines.append(f"{us:10.1f} {'':{e.cpu * width}} {text}")
        i += 1
    return "\n".join(lines)


def as_input_of_timeline(events, hz):
    """The lines that tools/timeline.py reads."""
    return "".join(f"{us:.1f}\t{e.cpu}\t{e.kind}\t{e.value}\t{e}\n" for us, e in to_microseconds(events, hz))
