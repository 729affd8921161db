# SPDX-License-Identifier: BSL-1.0
"""Runs every benchmark program again and again, in turn, and gathers the results.

Each pass is one repetition of everything, in fresh processes: what changes from run to run (addresses, the machine's
other work) is in the dispersion, and the first pass says how many passes fit into the time.
"""
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from results import BadResults, Results, add_entries, read_json

SILENCE = 300  # seconds without a word from a program, and it counts as hung


class Failed(Exception):
    """A program did not do its part. The text names it and what to do next."""


@dataclass
class Plan:
    seconds: float   # what all passes together may take, unless the least number of them takes longer
    min_time: float  # for Google Benchmark
    most: int
    least: int = 3
    quick: bool = False


QUICK = Plan(seconds=100, min_time=0.02, most=10, quick=True)
FULL = Plan(seconds=720, min_time=0.2, most=20, least=5)  # as many as the goals ask for


def duration(seconds):
    seconds = max(0, round(seconds))
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


class Progress:
    """A line for each benchmark that has ended; on a terminal, one line that changes."""

    def __init__(self, total, plan):
        self.total, self.plan = total, plan
        self.passes = plan.most
        self.ended_in_pass = set()
        self.start = time.monotonic()
        self.took = {}       # {benchmark: seconds, last measured}
        self.is_terminal = sys.stdout.isatty()

    def elapsed(self):
        return time.monotonic() - self.start

    def one_pass(self):
        """Seconds, known from the first pass on; before, as far as those that have run are like the others."""
        known = sum(self.took.values())
        return known if len(self.took) >= self.total else known / max(1, len(self.took)) * self.total

    def choose_passes(self):
        fit = int(self.plan.seconds / max(self.one_pass(), 1e-3))
        self.passes = min(self.plan.most, max(self.plan.least, fit))

    def left(self):
        return self.one_pass() * self.passes - self.elapsed()

    def ended(self, key, number, seconds):
        self.took[key] = seconds
        if len(self.ended_in_pass) == self.total:
            self.ended_in_pass.clear()
        self.ended_in_pass.add(key)
        if number == 0:
            self.choose_passes()
        about = "about " if number == 0 else ""
        line = (f"[pass {number + 1} of {self.passes}, {len(self.ended_in_pass)}/{self.total}, "
                f"{about}{duration(self.left())} left] {key[0]}: {key[1]}")
        if self.is_terminal:
            print("\r\033[K" + line[:os.get_terminal_size().columns - 1], end="", flush=True)
        else:
            print(line, flush=True)

    def close(self):
        if self.is_terminal:
            print("\r\033[K", end="")


def list_names(program, pattern):
    """The benchmarks of a program that the filter lets through."""
    listed = subprocess.run([program, "--benchmark_list_tests", f"--benchmark_filter={pattern}"], capture_output=True,
                            text=True, timeout=60, check=False)
    if listed.returncode != 0:
        raise Failed(f"{program} --benchmark_list_tests ended with status {listed.returncode}: "
                     f"{listed.stderr.strip()}; next: run it by hand")
    if "Failed to match any benchmarks" in listed.stderr + listed.stdout:
        return []
    return [line for line in listed.stdout.splitlines() if line]


def named_twice(programs):
    """Benchmarks whose figures cannot be told apart."""
    for program in programs:
        for name in dict.fromkeys(n for n in program.names if program.names.count(n) > 1):
            yield f"{program.path.name}: {name} is the name of two benchmarks, whose figures are mixed here; rename one"


class Program:
    """One benchmark program, which is run once in each pass."""

    def __init__(self, path, names, plan, pattern, scratch):
        self.path, self.names = Path(path), names
        self.out = Path(scratch) / f"{self.path.name}.json"
        self.log = Path(scratch) / f"{self.path.name}.log"
        self.command = [str(path), f"--benchmark_min_time={plan.min_time}", f"--benchmark_filter={pattern}",
                        f"--benchmark_out={self.out}", "--benchmark_out_format=json"]
        self.environment = {**os.environ, **({"LASTCPU_BENCH_QUICK": "1"} if plan.quick else {})}
        self.error = ""

    def name_in(self, line):
        fits = [name for name in self.names if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "")]
        return max(fits, key=len, default=None)

    def lines(self, process, log):
        """Yields what the program prints; ends with it, or kills it when it says nothing for too long."""
        pending = b""
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while ready.select(SILENCE):
                block = os.read(process.stdout.fileno(), 65536)
                if not block:
                    return
                log.write(block)
                *whole, pending = (pending + block).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
        self.error = f"said nothing for {SILENCE} s"

    def run(self, number, progress):
        """The document that it wrote, or None with `error` set."""
        self.out.unlink(missing_ok=True)
        with open(self.log, "wb") as log:
            with subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                  env=self.environment, start_new_session=True) as process:
                try:
                    last = time.monotonic()
                    for line in self.lines(process, log):
                        if name := self.name_in(line):
                            now = time.monotonic()
                            progress.ended((self.path.name, name), number, now - last)
                            last = now
                finally:
                    if self.error or sys.exc_info()[0] is not None:
                        os.killpg(process.pid, signal.SIGKILL)
        if not self.error and process.returncode != 0:
            how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            self.error = f"ended with {how}"
        if self.error:
            return None
        try:
            return read_json(self.out)
        except BadResults as error:
            self.error = str(error)
            return None


def run(paths, pattern, plan, scratch):
    """(Results, [what went wrong])."""
    Path(scratch).mkdir(parents=True, exist_ok=True)
    programs = [Program(p, names, plan, pattern, scratch) for p in paths if (names := list_names(p, pattern))]
    total = sum(len(set(p.names)) for p in programs)
    if total == 0:
        raise BadResults(f"--filter '{pattern}' fits no benchmark; programs list theirs with --benchmark_list_tests")
    print(f"Benchmarks: {total}, in programs: {len(programs)}. As many passes as fit into {duration(plan.seconds)}, "
          f"from {plan.least} to {plan.most}:", flush=True)
    progress, context, found, number = Progress(total, plan), {}, {}, 0
    while number < progress.passes and not all(p.error for p in programs):
        for program in (p for p in programs if not p.error):
            if document := program.run(number, progress):
                context = context or document["context"]
                add_entries(found, document["benchmarks"], program.path.name)
        if number == 0:
            progress.choose_passes()
        number += 1
    progress.close()
    print(f"{number} passes in {duration(progress.elapsed())}.")
    errors = [f"{p.path} {p.error}; its output: {p.log}; next: {' '.join(p.command[:1])}" for p in programs if p.error]
    errors += named_twice(programs)
    errors += [f"{b.program}: {b.label}: {b.error}" for b in found.values() if b.error]
    return Results(context, list(found.values())), errors
