# SPDX-License-Identifier: BSL-1.0
"""Crashes one process with one failure handler, and says how it died, what it said, and when."""
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "lib"))

from vmcore import BadCore, Core, pid_of  # noqa: E402

DEADLINE_S = 20  # longer than the longest end that is meant: lastcpu gives up on a report that is stuck for 10 s
UNABLE = 77
NOTES = struct.Struct("<QI")
IN_TROUBLE = ("faults_once", "faults_always", "aborts", "slow", "hangs")


@dataclass(frozen=True)
class Handler:
    title: str
    victim: str         # of victims.txt
    way: str = "-"
    begins: str = ""    # a part of the first line of a report; empty: it writes none
    ends: str = ""      # of its last one
    writes_core: bool = False

    def program(self, programs, case):
        apart = f"{self.victim}_in_trouble"  # where nothing of the program is called, that is a program of its own
        return programs[apart if case in IN_TROUBLE and apart in programs and self.way != "in_place" else self.victim]


HANDLERS = (
    Handler("lastcpu: report", "lastcpu", "report", "has crashed ***", "*** end of report ***"),
    Handler("lastcpu: report and core", "lastcpu", "core", "has crashed ***", "*** end of report ***", True),
    Handler("lastcpu: in place", "lastcpu", "in_place", "has crashed ***", "*** end of report ***"),
    Handler("Abseil", "abseil", "-", "*** SIG", "  @ "),
    Handler("glog", "glog", "-", "*** Aborted at", "    @ "),
    Handler("no handler", "none", "none"),
    Handler("kernel's core alone", "none", "kernel", writes_core=True),
)


@dataclass
class Crash:
    status: int | None = None  # None: it hung
    said: str = ""
    tids: list = field(default_factory=list)
    first_line_ns: int | None = None  # from the word "go"
    end_ns: int | None = None
    core_tids: list | None = None     # None: there is no core; empty: it is damaged


def threads_of_core(folder):
    for core in Path(folder).glob("core*"):
        try:
            with Core(core) as opened:
                return [pid_of(n.bytes) for n in opened.prstatuses()]
        except BadCore:
            return []
    return None


def listen(process, pipe):
    """(what it said, when its first line came, when it had ended or None)."""
    said, first, ended = b"", None, None
    until = time.monotonic() + DEADLINE_S
    end = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    poll.register(end, select.POLLIN)
    try:
        while ended is None and (left := until - time.monotonic()) > 0:
            for fd, events in poll.poll(left * 1000):
                now = time.monotonic_ns()
                piece = os.read(pipe, 65536) if fd == pipe and events & select.POLLIN else b""
                said += piece
                if first is None and b"\n" in said:
                    first = now
                if fd == end:
                    ended = now
                elif not piece:
                    poll.unregister(pipe)
        return said, first, ended
    finally:
        os.close(end)


def rest_of(pipe):
    os.set_blocking(pipe, False)
    said = b""
    try:
        while piece := os.read(pipe, 65536):
            said += piece
    except BlockingIOError:
        pass  # somebody of a process that hangs has it open
    return said


def crash(handler, programs, case, threads):
    with tempfile.TemporaryDirectory(prefix="lastcpu-crash-") as folder:
        notes = Path(folder) / "notes"
        notes.write_bytes(bytes(4096))
        pipe, theirs = os.pipe()
        command = [handler.program(programs, case), handler.way, case, notes, str(threads), Path(folder) / "core"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, cwd=folder,
                              start_new_session=True) as process:
            os.close(theirs)
            said, first, ended = listen(process, pipe)
            if ended is None:
                os.killpg(process.pid, signal.SIGKILL)
        said += rest_of(pipe)
        os.close(pipe)
        go, count = NOTES.unpack_from(data := notes.read_bytes())
        return Crash(status=None if ended is None else process.returncode, said=said.decode(errors="replace"),
                     tids=list(struct.unpack_from(f"<{count}I", data, NOTES.size)),
                     first_line_ns=first - go if first and go else None, end_ns=ended - go if ended and go else None,
                     core_tids=threads_of_core(folder))
