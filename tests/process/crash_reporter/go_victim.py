# SPDX-License-Identifier: BSL-1.0
"""The program in Go: built once, then crashed in turn in each way that docs/crash-reporter.md speaks of."""

import itertools
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEADLINE_S = 60


@dataclass
class Case:
    """One run, and how it is to end. `loaded` says how the reporter comes: by preload or by a constructor, before Go's
    runtime begins; late, into the running program. `report`: a line that it has; empty: there is none. `words`: what Go says."""

    loaded: str
    ends: str
    status: int
    report: str = ""
    words: str = ""
    traceback: str = "single"


NIL = "panic: runtime error: invalid memory address or nil pointer dereference"
IN_C, ABORT = ": SIGSEGV (invalid memory access) at 0x10", ": SIGABRT (abort)"
CASES = (
    # Before the runtime: Go recovers by itself, and hands faults in C on.
    Case("preload", "recovered", 0),
    Case("preload", "panic", 2, words=NIL),
    Case("preload", "panic", -signal.SIGABRT, ABORT, NIL, "crash"),
    Case("preload", "c", -signal.SIGSEGV, IN_C),
    Case("preload", "abort", 2, words="SIGABRT: abort"),
    Case("constructor", "panic", -signal.SIGABRT, ABORT, NIL, "crash"),
    Case("constructor", "c", -signal.SIGSEGV, IN_C),
    # Behind it: every nil pointer comes to us and is handed to Go; what it does not recover it ends by itself, unless it
    # is asked for a crash.
    Case("late", "recovered", 0),
    Case("late", "panic", 2, words=NIL),
    Case("late", "panic", -signal.SIGABRT, ABORT, NIL, "crash"),
    Case("late", "c", 2, words="SIGSEGV: segmentation violation"),
    Case("late", "c", -signal.SIGABRT, ABORT, "SIGSEGV: segmentation violation", "crash"),
    Case("late", "abort", -signal.SIGABRT, ABORT),
)


class GoVictim:
    def __init__(self, library, folder):
        self._library, self._core, self._victim = library, Path(folder) / "core", Path(folder) / "go_victim"
        self._cases = itertools.chain(CASES, itertools.cycle(c for c in CASES if c.status != 0))
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "1", "GOPATH": str(folder),
                       "GOCACHE": str(Path(folder) / "go_cache")}
        subprocess.run(["go", "build", "-o", self._victim, HERE / "victim.go"], env=environment, check=True)

    def crash(self, what_is_wrong):
        """The next case in turn; those that recover come once."""
        case = next(self._cases)
        wrong, said = self._once(case, what_is_wrong)
        return (f"{case}: {wrong}" if wrong else ""), said

    def _environment(self, case):
        loaded = {"preload": {"LD_PRELOAD": self._library}, "constructor": {"LASTCPU_TEST_EARLY": self._library},
                  "late": {"LASTCPU_EARLIER": "ask_first"}}
        return {**os.environ, "LASTCPU_CORE": str(self._core), "GOTRACEBACK": case.traceback, **loaded[case.loaded]}

    def _once(self, case, what_is_wrong):
        self._core.unlink(missing_ok=True)
        late = [self._library] if case.loaded == "late" else []
        count = "100000" if case.ends == "recovered" else "1000"
        done = subprocess.run([self._victim, case.ends, count, *late], env=self._environment(case), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False)
        said = done.stdout
        if done.returncode != case.status:
            return f"status {done.returncode}", said
        if f"recovered {count}\n" not in said or case.words not in said:
            return "Go's own words are missing", said
        if not case.report:
            return ("a report" if "has crashed ***" in said or self._core.exists() else ""), said
        wrong = what_is_wrong(said, self._core)
        return wrong or ("" if case.report in said else f"not reported: {case.report}"), said
