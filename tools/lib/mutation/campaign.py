# SPDX-License-Identifier: BSL-1.0
"""tools/mutate --random: draws damages by seed, tries each with the tests that could notice, and keeps what came of it."""
import hashlib
import itertools
import json
import os
import re
import threading
import time

from . import operators, programs
from .tree import HANGS, ROOT, WORK, Tree, digest_of, timed

JOURNAL = WORK / "random.jsonl"
EQUIVALENT = ROOT / "tests" / "mutants" / "equivalent.txt"
DEFAULT_AREAS = ("core", "x86_64", "posix", "model")
FLAGS = ["-std=c++20", "-x", "c++", f"-I{ROOT}/include"]


# --- What is tried

def damages_of(path):
    flags = FLAGS + (["-fsanitize=thread"] if path.endswith("posix/tsan.hpp") else [])
    return operators.Header(ROOT, path, flags).damages()


def all_damages(area):
    return [d for path in programs.headers_of(ROOT, area) for d in damages_of(path)]


def in_drawn_order(damages, seed):
    """By seed and by what a damage is, so that a change elsewhere leaves the order as it was. Operators take turns."""
    rank = lambda d: hashlib.sha256(f"{seed}|{d.id}".encode()).hexdigest()
    by_operator = [sorted((d for d in damages if d.operator == o), key=rank) for o in operators.OPERATORS]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_operator))
    return [d for d in turns if d is not None]


def read_equivalent():
    """{id: (file, reason)}. A line begins with the id and the file; indented lines below say why no test can notice."""
    out, current = {}, None
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []:
        match = re.match(r"([0-9a-f]{10}) ([\w./]+)", line)
        if match:
            current = match.group(1)
            out[current] = (match.group(2), "")
        elif line.startswith("  ") and current:
            out[current] = (out[current][0], f"{out[current][1]} {line.strip()}".strip())
    return out


def check_equivalent():
    """What is wrong with the file of equivalent damages, as sentences."""
    listed = read_equivalent()
    known = {d.id for path in sorted({file for file, _ in listed.values()}) for d in damages_of(path)}
    wrong = [f"{name} damages nothing any more: take it out" for name in listed if name not in known]
    wrong += [f"{name} has no reason: say why no test can notice" for name, (_, why) in listed.items() if not why]
    return [f"tests/mutants/equivalent.txt: {w}" for w in wrong]


def describe(d):
    short = lambda text: " ".join(text.split())[:70] or "(nothing)"
    return f"{d.file}:{d.line} ({d.function}) {d.operator}: {short(d.old)} -> {short(d.new)}  [{d.id}]"


# --- Trying one

class Worker:
    """One copy of the tree and what its undamaged programs are. `known` is shared: {test: seconds that it takes}."""

    def __init__(self, name, known, lock, folders):
        self.tree, self.known, self.lock, self.folders = Tree(name, jobs=1), known, lock, folders
        self.undamaged = {}

    def build(self, test):
        self.tree.configure(test.preset, ("-DLASTCPU_WARNINGS_AS_ERRORS=OFF", *programs.PRESETS[test.preset]))
        return not test.targets or self.tree.build(test.preset, test.targets)

    def digest(self, test):
        return digest_of(self.tree.find(test.preset, f) for f in test.files)

    def passes(self, test, seconds=None):
        """None when it does, else what failed."""
        command = test.command or [str(self.tree.find(test.preset, test.files[0]))]
        if test.preset == "tsan":
            command = ["setarch", "-R", *command]
        limit = None if seconds is None else 10 + 5 * seconds
        status = self.tree.run(list(command), self.tree.run_log, limit, free=test.preset == "tsan")
        if status == 0:
            return None
        return f"{test.name} (hangs)" if status == HANGS else f"{self.tree.failed_test() or 'a test'} in {test.name}"

    def build_undamaged(self, test):
        if test.name not in self.undamaged:
            if not self.build(test):
                raise SystemExit(f"{test.name} does not build without damage; see {self.tree.build_log}")
            self.undamaged[test.name] = self.digest(test)

    def see_undamaged(self, test):
        """Builds it without damage, and sees it pass once: a test that fails anyway kills nothing."""
        self.build_undamaged(test)
        with self.lock:
            if test.name in self.known:
                return
        why, seconds = timed(lambda: self.passes(test))
        if why is not None:
            raise SystemExit(f"{why} fails without any damage; see {self.tree.run_log} and mend that first")
        with self.lock:
            self.known[test.name] = seconds

    def notices(self, test):
        """What fails with the damage done, or None."""
        why = self.passes(test, self.known[test.name])
        if why is not None and programs.is_unsteady(test):
            why = self.passes(test, self.known[test.name])
        return why

    def try_damage(self, d, tried, quick):
        """(verdict, by what, tests tried): killed, survived, or stillborn when it does not compile."""
        path = self.tree.path / d.file
        original = path.read_bytes()
        if hashlib.sha256(original).hexdigest()[:16] != d.code:
            raise SystemExit(f"{d.file} has changed while damages were tried; start again")
        damaged = original[:d.start] + d.new.encode() + original[d.end:]
        tried, has_run = list(tried), False
        try:
            for test in programs.tests_for(d, self.folders, quick):
                if test.name in tried:
                    continue
                path.write_bytes(original)
                self.see_undamaged(test)
                path.write_bytes(damaged)
                if not self.build(test):
                    self.need_a_diagnosis()
                    return ("killed" if has_run else "stillborn"), f"the build of {test.name}", tried
                if not test.files or self.digest(test) != self.undamaged[test.name]:
                    has_run = True
                    why = self.notices(test)
                    if why is not None:
                        return "killed", why, tried
                tried.append(test.name)
            return "survived", self.says_the_machine_code(d, original, damaged) if not quick else None, tried
        finally:
            path.write_bytes(original)

    def need_a_diagnosis(self):
        """A build that fails for another reason than the code says nothing of the damage."""
        if " error: " not in self.tree.build_log.read_text(encoding="utf-8", errors="replace"):
            raise SystemExit(f"a build failed, and not for an error in the code; see {self.tree.build_log}")

    def says_the_machine_code(self, d, original, damaged):
        """Of an order on the one machine that a port is for: whether everything that the port has comes out the same."""
        if d.operator != "order" or programs.area_of(d.file) != "x86_64":
            return None
        path, objects = self.tree.path / d.file, {}
        for text in (original, damaged):
            path.write_bytes(text)
            objects[text] = [self.object_of(c, level) for c in ("g++", "clang++") for level in ("-O0", "-O2", "-Os", "-O3")]
        differs = [a != b for a, b in zip(objects[original], objects[damaged])]
        if (differs[0] or differs[4]) and not any(differs[1:4] + differs[5:]):
            return "the optimized machine code of all that the port has is the same with gcc and clang"
        return None

    def object_of(self, compiler, level):
        out = WORK / f"{self.tree.path.name}.o"
        command = [compiler, *programs.WHOLE_X86_64, level, "-o", str(out)]
        if self.tree.run(command, self.tree.build_log) != 0:
            raise SystemExit(f"{' '.join(command)} failed; see {self.tree.build_log}")
        return digest_of([out])


# --- The campaign

class Campaign:
    def __init__(self, count, seed, areas, quick, again, jobs):
        self.count, self.seed, self.areas, self.quick, self.jobs = count, seed, areas, quick, jobs
        self.lock, self.known, self.fresh = threading.Lock(), {}, []
        self.equivalent = read_equivalent()
        self.journal = {} if again == "all" else read_journal()
        print(f"{len(self.journal)} damages are known from earlier runs, of the headers as they were then", flush=True)
        if again == "survivors":
            self.journal = {k: r for k, r in self.journal.items() if r["verdict"] != "survived"}
        self.drawn = {a: in_drawn_order(all_damages(a), seed) for a in areas}
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
                self.keep(area, d, {"id": d.id, "code": d.code, "verdict": verdict, "by": by, "tried": tried, "whole": not self.quick,
                                    "seconds": round(seconds, 1)})
        except BaseException as failure:  # the other worker has to stop, too
            self.failure = self.failure or failure

    def keep(self, area, d, record):
        with self.lock:
            self.running[area] -= 1
            self.results[area][d.id] = (d, record)
            with open(JOURNAL, "a", encoding="utf-8") as out:
                out.write(json.dumps(record | {"what": describe(d)}) + "\n")
            if record["verdict"] == "stillborn":
                return
            self.fresh.append(record["seconds"])
            verdict = f"killed: {record['by']}" if record["verdict"] == "killed" else f"SURVIVED {record['by'] or ''}".strip()
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
    every = {d.id: d for area in programs.AREAS for d in all_damages(area)}
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
        with open(JOURNAL, "a", encoding="utf-8") as out:
            out.write(json.dumps({"id": name, "code": every[name].code, "verdict": verdict, "by": by, "tried": tried, "whole": not quick,
                                  "seconds": round(seconds, 1), "what": describe(every[name])}) + "\n")
    print(f"{len(ids) - left} passed, {left} failed")
    return 1 if left else 0


def default_jobs():
    return max(1, min(len(os.sched_getaffinity(0)), 4))
