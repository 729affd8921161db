# SPDX-License-Identifier: BSL-1.0
"""Runs cells, two at a time: a cell is a few commands in a row, each with what it has to say.

Shared by all tests that bring their own compilers (compilers.py); which combinations are worth a cell is cover.py's to
say. A cell that fails prints one line with the commands that repeat it; the last line is `N passed, N failed`.
"""

import os
import re
import shlex
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

WORKERS = 2
ENOUGH_FAILURES = 40  # then the rest is not tried


@dataclass(frozen=True)
class Result:
    status: int  # what a shell would show; 124 after too long
    text: str  # both streams


Check = Callable[[Result], Optional[str]]  # answers what is wrong, or None


def succeeds(result: Result) -> Optional[str]:
    return None if result.status == 0 else f"status {result.status}: {first_error(result.text)}"


def silently(result: Result) -> Optional[str]:
    return succeeds(result) or (f"says {first_error(result.text)}" if result.text.strip() else None)


def fails_saying(pattern: str) -> Check:
    """The command must fail, and for the expected reason: one line matches."""

    def check(result: Result) -> Optional[str]:
        if result.status == 0:
            return "succeeds, and it must not"
        if result.status == 124 or not re.search(pattern, result.text, re.MULTILINE):
            return f"fails, but not with /{pattern}/: {first_error(result.text)}"
        return None

    return check


def prints(text: str, status: int) -> Check:
    def check(result: Result) -> Optional[str]:
        if (result.text, result.status) == (text, status):
            return None
        return f"expected {text!r} and status {status}, got {result.text[:80]!r} and status {result.status}"

    return check


def first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line or "undefined" in line or "multiple" in line]
    return (errors or lines or ["(no output)"])[0][:200]


def file_name(*words: str) -> str:
    """A name of the words, for a file in the matrix's directory."""
    return re.sub(r"[^A-Za-z0-9]+", "_", " ".join(words).replace("++", "xx"))


@dataclass(frozen=True)
class Step:
    command: tuple
    check: Check = succeeds
    shared: bool = False  # several cells have this command: it runs once, and each cell checks what it said
    seconds: int = 60


@dataclass(frozen=True)
class Cell:
    name: str
    steps: tuple
    program: str = ""  # removed once it has passed


class Runner:
    def __init__(self, directory: Path):
        self.directory = directory
        self._locks = {}
        self._made = {}
        self._guard = threading.Lock()
        self._environment = {**os.environ, "LC_ALL": "C"}

    def failure_of(self, cell: Cell) -> Optional[str]:
        for step in cell.steps:
            result = self._once(step) if step.shared else self._run(step)
            wrong = step.check(result)
            if wrong:
                return f"{Path(step.command[0]).name}: {wrong}"
        if cell.program:
            (self.directory / cell.program).unlink()
        return None

    def _once(self, step: Step) -> Result:
        with self._guard:
            lock = self._locks.setdefault(step.command, threading.Lock())
        with lock:
            if step.command not in self._made:
                self._made[step.command] = self._run(step)
            return self._made[step.command]

    def _run(self, step: Step) -> Result:
        try:
            done = subprocess.run(step.command, cwd=self.directory, env=self._environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=step.seconds,
                                  encoding="utf-8", errors="replace", check=False)
        except subprocess.TimeoutExpired:
            return Result(124, f"not done after {step.seconds} s")
        except OSError as error:
            return Result(127, str(error))
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return Result(status, done.stdout)


class Progress:
    """One line every few seconds, one for each failure."""

    def __init__(self, total: int, directory: Path):
        self.total, self.directory = total, directory
        self.passed = self.failed = self.left = 0
        self._lock = threading.Lock()
        self._started = self._said = time.monotonic()

    def add(self, cell: Cell, wrong: Optional[str]) -> None:
        with self._lock:
            if wrong:
                self.failed += 1
                again = " && ".join(shlex.join(step.command) for step in cell.steps)
                where = shlex.quote(str(self.directory))
                print(f"FAILED {cell.name}: {wrong}; next: cd {where} && {again}", flush=True)
            else:
                self.passed += 1
            self._say()

    def leave(self) -> None:
        with self._lock:
            self.left += 1

    def _say(self) -> None:
        now = time.monotonic()
        done = self.passed + self.failed
        if done == self.total or now - self._said >= 5:
            self._said = now
            failed = f"{self.failed} failed, " if self.failed else ""
            print(f"[{done}/{self.total}] {failed}{now - self._started:.0f} s", flush=True)


def try_cell(cell: Cell, runner: Runner, progress: Progress) -> None:
    if progress.failed >= ENOUGH_FAILURES:
        progress.leave()
    else:
        progress.add(cell, runner.failure_of(cell))


def run(cells: list, directory: Path, missing: list) -> int:
    """Runs every cell in `directory`; `missing` are complaints that count as failures. The process's exit status."""
    runner, progress = Runner(directory), Progress(len(cells), directory)
    for complaint in missing:
        print(f"FAILED {complaint}")
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(lambda cell: try_cell(cell, runner, progress), cells):
            pass
    if progress.left:
        print(f"FAILED {progress.left} more cells were not tried after so many failures")
    failed = progress.failed + progress.left + len(missing)
    if progress.passed + failed == 0:
        print("FAILED: nothing ran")
    print(f"{progress.passed} passed, {failed} failed")
    return 0 if progress.passed > 0 and failed == 0 else 1
