# SPDX-License-Identifier: BSL-1.0
"""The timeline of a crash, as the crash kernel's lines "trace: TSC CPU KIND VALUE" tell it."""
import re
import subprocess
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


def broken_promises(events, cpus, program):
    """The first of the library's promises that the events of one crash break: what the program that is made of
    tests/support/trace_promises.hpp says of them in the order of time."""
    lines = "".join(f"{e.cpu} {e.kind} {e.value}\n" for e in sorted(events, key=lambda e: e.tsc))
    ended = subprocess.run([program, str(cpus)], input=lines, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        return [f"nobody judges the timeline: {ended.stderr.strip()}"]
    return ended.stdout.splitlines()


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
