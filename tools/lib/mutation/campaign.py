# SPDX-License-Identifier: BSL-1.0
"""tools/mutate --random: tries what a seed draws, beside each other, and keeps what came of it."""
import json
import os
import threading
import time

from . import draw, programs
from .draw import describe
from .tree import ROOT, WORK, timed
from .worker import Worker

JOURNAL = WORK / "random.jsonl"
DEFAULT_AREAS = ("core", "kexec", "x86_64", "posix", "model")


class Campaign:
    def __init__(self, count, seed, areas, quick, again, jobs):
        self.count, self.seed, self.areas, self.quick, self.jobs = count, seed, areas, quick, jobs
        self.lock, self.known, self.fresh = threading.Lock(), {}, []
        self.equivalent = draw.read_equivalent()
        self.journal = {} if again == "all" else read_journal()
        print(f"{len(self.journal)} damages are known from earlier runs, of the headers as they were then", flush=True)
        if again == "survivors":
            self.journal = {k: r for k, r in self.journal.items() if r["verdict"] != "survived"}
        self.drawn = {a: draw.in_drawn_order(draw.all_damages(a), seed) for a in areas}
        self.at, self.running, self.failure = {a: 0 for a in areas}, {a: 0 for a in areas}, None
        self.results = {a: {} for a in areas}
        self.begun = time.monotonic()

    def is_done(self, d, record):
        return record is not None and record["code"] == d.code and (
            record["verdict"] != "survived" or record["whole"] or self.quick)

    def next(self):
        """The next damage to try and its area, or None; with the lock held."""
        for area in self.areas:
            while self.at[area] < len(self.drawn[area]):
                if len(self.compiled(area)) + self.running[area] >= self.count:
                    break
                d = self.drawn[area][self.at[area]]
                self.at[area] += 1
                record = self.journal.get(d.id)
                if d.id in self.equivalent:
                    self.results[area][d.id] = (d, {"verdict": "equivalent", "by": self.equivalent[d.id][1]})
                elif self.is_done(d, record):
                    self.results[area][d.id] = (d, record)
                else:
                    self.running[area] += 1
                    return area, d, record["tried"] if record and record["code"] == d.code else []
        return None

    def compiled(self, area):
        return [1 for _, r in self.results[area].values() if r["verdict"] != "stillborn"]

    def work(self, number, folders):
        try:
            worker = Worker(f"random-{number}", self.known, self.lock, folders)
            while self.failure is None:
                with self.lock:
                    job = self.next()
                if job is None:
                    if not any(self.running.values()):
                        return
                    time.sleep(1)  # the other one's may turn out not to compile, and the next is drawn
                    continue
                area, d, tried = job
                (verdict, by, tried), seconds = timed(lambda: worker.try_damage(d, tried, self.quick))
                self.keep(area, d, record_of(d, verdict, by, tried, not self.quick, seconds))
        except BaseException as failure:  # the other worker has to stop, too
            self.failure = self.failure or failure

    def keep(self, area, d, record):
        with self.lock:
            self.running[area] -= 1
            self.results[area][d.id] = (d, record)
            write_down(record)
            if record["verdict"] == "stillborn":
                return
            self.fresh.append(record["seconds"])
            verdict = "killed: " if record["verdict"] == "killed" else "SURVIVED "
            verdict += record["by"] or ""
            print(f"[{area} {len(self.compiled(area))}/{self.count}, {self.time_left()}] {describe(d)} ... {verdict}  "
                  f"({record['seconds']:.0f} s)", flush=True)

    def time_left(self):
        left = sum(self.count - len(self.compiled(a)) for a in self.areas)
        return f"{max(0, left) * (time.monotonic() - self.begun) / max(1, len(self.fresh)) / 60:.0f} min left"

    def run(self):
        WORK.mkdir(parents=True, exist_ok=True)
        folders = programs.programs_by_folder(ROOT)
        workers = [threading.Thread(target=self.work, args=(i + 1, folders), daemon=True) for i in range(self.jobs)]
        for w in workers:
            w.start()
        for w in workers:
            while w.is_alive():
                w.join(1)
        if self.failure is not None:
            raise self.failure
        return self.report()

    def report(self):
        survivors = [(d, r) for a in self.areas for d, r in self.results[a].values() if r["verdict"] == "survived"]
        print(f"\n{'area':8} {'tried':>6} {'killed':>7} {'equivalent':>11} {'open':>5}  killed of those not equivalent")
        totals = [0, 0, 0, 0]
        for a in self.areas:
            verdicts = [r["verdict"] for _, r in self.results[a].values()]
            row = [sum(v != "stillborn" for v in verdicts)] + [verdicts.count(v) for v in
                                                              ("killed", "equivalent", "survived")]
            totals = [x + y for x, y in zip(totals, row)]
            print_row(a, row)
        if len(self.areas) > 1:
            print_row("all", totals)
        for d, record in survivors:
            print(f"open: {describe(d)}{'; ' + record['by'] if record['by'] else ''}")
        if survivors:
            print("Next: write the test that notices; or, where none can, say why in tests/mutants/equivalent.txt. "
                  f"Then: tools/mutate --id {survivors[0][0].id}")
        print(f"{totals[1] + totals[2]} passed, {totals[3]} failed")
        return 1 if survivors or totals[0] == 0 else 0


def print_row(name, row):
    tried, killed, equivalent, left = row
    share = f"{100 * killed / (tried - equivalent):.1f} %" if tried > equivalent else "-"
    print(f"{name:8} {tried:6} {killed:7} {equivalent:11} {left:5}  {share}")


def record_of(d, verdict, by, tried, whole, seconds):
    return {"id": d.id, "code": d.code, "verdict": verdict, "by": by, "tried": tried, "whole": whole,
            "seconds": round(seconds, 1), "what": describe(d)}


def write_down(record):
    with open(JOURNAL, "a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")


def read_journal():
    out = {}
    for line in JOURNAL.read_text(encoding="utf-8").splitlines() if JOURNAL.exists() else []:
        try:
            record = json.loads(line)
            out[record["id"]] = record | {"code": record.get("code", "")}
        except json.JSONDecodeError:
            pass  # a run was broken off in the middle of its last line
    return out


def try_by_id(ids, quick):
    """Tries damages by their ids, whatever has been found before."""
    every = {d.id: d for area in programs.AREAS for d in draw.all_damages(area)}
    unknown = [i for i in ids if i not in every]
    if unknown:
        raise SystemExit(f"there is no damage {', '.join(unknown)}; tools/mutate --random N --seed S --list names them")
    WORK.mkdir(parents=True, exist_ok=True)
    worker = Worker("random-id", {}, threading.Lock(), programs.programs_by_folder(ROOT))
    left = 0
    for i, name in enumerate(ids, 1):
        print(f"[{i}/{len(ids)}] {describe(every[name])} ... ", end="", flush=True)
        (verdict, by, tried), seconds = timed(lambda: worker.try_damage(every[name], [], quick))
        left += verdict == "survived"
        print(f"{verdict}{' by ' + by if by else ''}  ({seconds:.0f} s, behind {len(tried)} tests)", flush=True)
        write_down(record_of(every[name], verdict, by, tried, not quick, seconds))
    print(f"{len(ids) - left} passed, {left} failed")
    return 1 if left else 0


def default_jobs():
    return max(1, min(len(os.sched_getaffinity(0)), 4))
