#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""timeline.py [--title TEXT] EVENTS SVG: draws what each CPU did as a swim-lane chart, time running down.

EVENTS has a line "us<TAB>cpu<TAB>event<TAB>value<TAB>text" for each event, as storm_showpiece writes it. The picture
brings its own light background, and its words are text, in <desc> as well.
"""
import argparse
import sys
from html import escape

GUTTER, LANE, ROW, HEAD, PAD = 92, 142, 27, 118, 20
BREAK_US = 2000  # a longer pause is drawn as a gap

NORMAL, TRIAL, OWNER, DUMP, LOSER, PARKED = "normal", "trial", "owner", "dump", "loser", "parked"
COLOURS = {
    NORMAL: ("#9db4c8", "runs"),
    TRIAL: ("#f0a92e", "holds the gate on trial"),
    OWNER: ("#e2662c", "panics, holds the gate"),
    DUMP: ("#c0263c", "committed: stops the others, dumps"),
    LOSER: ("#8a63c9", "lost, waits for its chance"),
    PARKED: ("#5b6670", "parked for good"),
}
SKIPPED_STEPS = {"> expect", "> commit", "> registers", "> collect"}
STRONG = {"committed", "claim_won", "dump_complete", "panic", "crash_kexec", "fault", "nmi"}


class Event:
    def __init__(self, line):
        us, cpu, self.kind, value, self.text = line.rstrip("\n").split("\t")
        self.us, self.cpu, self.value = float(us), int(cpu), int(value)
        self.stops = []  # the CPUs that it asks to stop


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [Event(line) for line in lines]


def next_of_cpu(events, i):
    return next((e for e in events[i + 1:] if e.cpu == events[i].cpu), None)


def ranges(cpus):
    """[3, 4, 5, 7] as "3-5, 7"."""
    runs = []
    for cpu in cpus:
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def merged(events):
    """Fewer rows: what belongs together becomes one."""
    out, eaten = [], set()
    for i, e in enumerate(events):
        if i in eaten or (e.kind == "step_begun" and e.text in SKIPPED_STEPS):
            continue
        last = out[-1] if out else None
        after = next_of_cpu(events, i)
        if e.kind == "stop_sent" and last is not None and last.cpu == e.cpu and (
                last.stops or last.text.startswith("> rung")):
            last.stops.append(e.value)
            continue
        if e.kind == "acknowledged" and after is not None and after.kind == "parked" and after.us - e.us < 200:
            e.text += ", parks"
            eaten.add(events.index(after))
        if e.kind == "nmi" and after is not None and after.kind == "nmi_panic":
            e.text = "NMI: nmi_panic()"
            eaten.add(events.index(after))
        out.append(e)
    for e in out:
        if e.stops:
            e.text = f"asks {ranges(e.stops)} to stop"
        elif e.kind == "step_begun":
            e.text = "jumps: crash kernel" if e.text == "> jump" else e.text[2:]
        elif e.text == "FAULT oops":
            e.text = "oops: SIGSEGV"
        elif e.text == "ack parked":
            e.text = "saved, waits"
        elif e.kind == "parked":
            e.text = "parks for good"
    return out


def state_after(event, before):
    if event.kind == "claim_won":
        return TRIAL if "trial" in event.text else OWNER
    if event.kind == "acknowledged":
        return LOSER if event.text == "saved, waits" else PARKED
    return {"claim_lost": LOSER, "parked": PARKED, "committed": DUMP, "pending_taken": OWNER,
            "released": NORMAL, "withdrawn": OWNER}.get(event.kind, before)


class Chart:
    def __init__(self, events, title, lanes):
        self.events, self.title = events, title
        self.cpus = max(e.cpu for e in events) + 1
        self.roles = (lanes + [""] * self.cpus)[:self.cpus]
        self.seen = set()
        self.ys, self.gaps = [], []
        y = HEAD + 24
        for i, e in enumerate(events):
            if i > 0 and e.us - events[i - 1].us > BREAK_US:
                self.gaps.append((y, e.us - events[i - 1].us))
                y += ROW
            self.ys.append(y)
            y += ROW
        self.end = y
        self.width = GUTTER + self.cpus * LANE + PAD
        self.height = y + 54

    def x(self, cpu):
        return GUTTER + cpu * LANE + 14

    def svg(self):
        parts = [self.head(), self.lanes(), self.bars(), self.arrows(), self.labels(), self.legend()]
        return "\n".join(parts) + "\n</svg>\n"

    def head(self):
        told = "\n".join(f"{e.us:9.1f} us  CPU {e.cpu}: {e.text}" for e in self.events)
        w, h = self.width, self.height
        return f"""<!-- SPDX-License-Identifier: BSL-1.0 -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"
 aria-labelledby="title desc" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12">
<title id="title">{escape(self.title)}</title>
<desc id="desc">{escape(told)}</desc>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0.6 8 4 0 7.4z" fill="#c0263c"/></marker></defs>
<rect x="0.5" y="0.5" width="{w - 1}" height="{h - 1}" rx="10" fill="#fbfcfd" stroke="#d4dbe1"/>
<text x="{PAD}" y="34" font-size="19" font-weight="600" fill="#1d2730">{escape(self.title)}</text>
<text x="{PAD}" y="54" fill="#5b6670">time runs down; one row for each event, in microseconds</text>"""

    def lanes(self):
        out = []
        for cpu in range(self.cpus):
            x = GUTTER + cpu * LANE
            if cpu % 2 == 0:
                out.append(f'<rect x="{x}" y="{HEAD - 42}" width="{LANE}" height="{self.end - HEAD + 48}" '
                           'fill="#f0f4f7"/>')
            out.append(f'<text x="{x + 9}" y="{HEAD - 23}" font-weight="600" font-size="13" '
                       f'fill="#1d2730">CPU {cpu}</text>')
            out.append(f'<text x="{x + 9}" y="{HEAD - 7}" fill="#5b6670">{escape(self.roles[cpu])}</text>')
        return "\n".join(out)

    def bars(self):
        out = []
        for cpu in range(self.cpus):
            state, top = NORMAL, HEAD + 6
            for e, y in zip(self.events, self.ys):
                if e.cpu != cpu or state_after(e, state) == state:
                    continue
                out.append(self.bar(cpu, state, top, y))
                state, top = state_after(e, state), y
            out.append(self.bar(cpu, state, top, self.end))
        return "\n".join(out)

    def bar(self, cpu, state, top, bottom):
        self.seen.add(state)
        wide = 4 if state == NORMAL else 10
        return (f'<rect x="{self.x(cpu) - wide / 2}" y="{top}" width="{wide}" height="{max(bottom - top, 2)}" rx="2" '
                f'fill="{COLOURS[state][0]}"/>')

    def arrows(self):
        out = []
        for i, e in enumerate(self.events):
            for target in e.stops:
                for j in range(i + 1, len(self.events)):
                    a = self.events[j]
                    if a.cpu == target and a.kind in ("acknowledged", "irq", "nmi") and self.first(target, i, j):
                        out.append(self.arrow(e.cpu, self.ys[i], target, self.ys[j]))
        return "\n".join(out)

    def first(self, cpu, i, j):
        return not any(e.cpu == cpu for e in self.events[i + 1:j]) and not self.asked_again(cpu, i, j)

    def asked_again(self, cpu, i, j):
        return any(cpu in e.stops for e in self.events[i + 1:j])

    def arrow(self, cpu, y, target, to):
        side = 1 if target > cpu else -1
        return (f'<path d="M{self.x(cpu) + side * 6} {y + 4} L{self.x(target) - side * 9} {to}" fill="none" '
                'stroke="#c0263c" stroke-opacity="0.38" marker-end="url(#tip)"/>')

    def labels(self):
        out = []
        for e, y in zip(self.events, self.ys):
            out.append(f'<text x="{GUTTER - 12}" y="{y + 4}" text-anchor="end" fill="#7a868f" '
                       f'font-size="11">{e.us:,.1f}</text>')
            weight = ' font-weight="600"' if e.kind in STRONG else ""
            out.append(f'<circle cx="{self.x(e.cpu)}" cy="{y}" r="3.2" fill="#fff" stroke="#1d2730" '
                       'stroke-width="1.2"/>')
            out.append(f'<text x="{self.x(e.cpu) + 11}" y="{y + 4}" fill="#1d2730" stroke="#fbfcfd" stroke-width="3" '
                       f'paint-order="stroke" stroke-linejoin="round"{weight}>{escape(e.text)}</text>')
        for y, us in self.gaps:
            out.append(f'<rect x="{GUTTER}" y="{y - 11}" width="{self.cpus * LANE}" height="20" fill="#fbfcfd"/>')
            out.append(f'<text x="{GUTTER + self.cpus * LANE / 2}" y="{y + 4}" text-anchor="middle" fill="#7a868f" '
                       f'font-style="italic">{us / 1000:.1f} ms later</text>')
        return "\n".join(out)

    def legend(self):
        out, x = [], PAD
        for colour, text in (COLOURS[state] for state in COLOURS if state in self.seen):
            out.append(f'<rect x="{x}" y="{self.height - 31}" width="12" height="12" rx="2" fill="{colour}"/>')
            out.append(f'<text x="{x + 18}" y="{self.height - 21}" fill="#1d2730">{text}</text>')
            x += 34 + 7 * len(text)
        return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--title", default="What each CPU did")
    parser.add_argument("--lanes", default="", help="what each CPU is up to, separated by |")
    parser.add_argument("events")
    parser.add_argument("svg")
    options = parser.parse_args()
    try:
        events = merged(read(options.events))
    except (OSError, ValueError) as error:
        sys.exit(f"timeline.py: {options.events}: {error}; storm_showpiece writes such a file")
    if not events:
        sys.exit(f"timeline.py: {options.events} holds no events")
    with open(options.svg, "w", encoding="utf-8") as out:
        out.write(Chart(events, options.title, options.lanes.split("|")).svg())


if __name__ == "__main__":
    main()
