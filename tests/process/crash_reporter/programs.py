#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Crashes Debian's own programs, unmodified, that have the crash reporter by preload: memcached in four threads at once
under load; both workers of nginx at once; a Java machine that has recovered from 100,000 null pointers; a program in Go,
with C in it, that has done the same. The last two also with the reporter loaded into them while they run. Counts exactly one
whole report with no foreign line, every thread in it and in the core with its registers, the signal that the parent sees.
Ends with one line for each program; the exit status is 0 only if every crash was right. A program that is not there is named
and left out, or with --all an error."""

import argparse
import contextlib
import ctypes
import http.client
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

import crash_judge  # noqa: E402
from go_victim import GoVictim  # noqa: E402

HERE = Path(__file__).resolve().parent
PACKAGES = {"memcached": "memcached", "nginx": "nginx", "java": "default-jre-headless", "go": "golang-go"}
WAYS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
DEADLINE_S = 60
TGKILL = 234 if os.uname().machine == "x86_64" else 131  # which Python has not


def eventually(condition):
    """What it says in the end: waits for the condition, with a bound."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.01)
    return condition()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def threads_of(pid):
    return [int(t) for t in os.listdir(f"/proc/{pid}/task")]


def text_of(path):
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def what_is_wrong(said, core, threads=None):
    """With the report in what was said and with the core; `threads` are all of the process, where they are known."""
    wrong = crash_judge.what_is_wrong_with_report(said)
    if wrong:
        return wrong
    report = crash_judge.report_of(said)
    if threads is not None and crash_judge.number_of_threads(report) != len(threads):
        return f"not all of {len(threads)} threads are in the report"
    return crash_judge.what_is_wrong_with_core(core, report, threads)


@contextlib.contextmanager
def started(command, environment, stderr=subprocess.DEVNULL):
    """A server that does not outlive its test."""
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                          text=True) as server:
        try:
            yield server
        finally:
            server.kill()


class Load:
    """Two clients of memcached's that never pause."""

    def __init__(self, port):
        self._port, self._stop, self.answers = port, threading.Event(), 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(2)]
        for t in self._threads:
            t.start()

    def _work(self):
        while not self._stop.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as s:
                while not self._stop.is_set():
                    s.sendall(b"set k 0 0 100\r\n" + b"x" * 100 + b"\r\nget k\r\n")
                    if not s.recv(4096):
                        break
                    self.answers += 1
            time.sleep(0.001)

    def end(self):
        self._stop.set()
        for t in self._threads:
            t.join()


class Programs:
    """Each crashes its program once, and answers with what was wrong and with what was said."""

    def __init__(self, library, folder):
        self._library, self._folder, self._core = library, Path(folder), Path(folder) / "core"
        self._environment = {**os.environ, "LD_PRELOAD": library, "LASTCPU_CORE": str(self._core)}
        self._late, self._go = itertools.cycle((False, True)), None

    def memcached(self):
        self._core.unlink(missing_ok=True)
        port = free_port()
        user = ["-u", "root"] if os.geteuid() == 0 else []
        command = ["memcached", *user, "-p", str(port), "-U", "0", "-t", "8", "-l", "127.0.0.1"]
        with started(command, self._environment, subprocess.PIPE) as server:
            load = Load(port)
            eventually(lambda: load.answers >= 100 or server.poll() is not None)
            tids = threads_of(server.pid)
            for tid, way in zip(tids[1:5], WAYS):
                ctypes.CDLL(None).syscall(TGKILL, server.pid, tid, int(way))
            said = server.communicate(timeout=DEADLINE_S)[1]
            load.end()
        wrong = what_is_wrong(said, self._core, tids)
        return wrong or ("" if -server.returncode in WAYS else f"status {server.returncode}"), said

    def nginx(self):
        port, log, place = free_port(), self._folder / "error.log", self._folder
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
        (place / "nginx.conf").write_text(f"""daemon off; master_process on; worker_processes 2; pid {place}/pid;
error_log {log}; thread_pool default threads=4; events {{}} {"user root;" if os.geteuid() == 0 else ""}
http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; aio threads; location / {{ return 200 "alive"; }} }} }}
""", encoding="utf-8")
        environment = {**self._environment, "LASTCPU_CORE": f"{place}/core.%p", "LASTCPU_REPORT": f"{place}/report.%p"}
        command = ["nginx", "-e", str(log), "-p", str(place), "-c", str(place / "nginx.conf")]
        with started(command, environment) as master:
            children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
            workers = {int(w): s for w, s in zip(self._two_workers(children), (signal.SIGSEGV, signal.SIGABRT))}
            threads = {w: threads_of(w) for w in workers}
            for worker, way in workers.items():
                os.kill(worker, way)
            ends = [f"process {w} exited on signal {int(s)}" for w, s in workers.items()]
            seen = eventually(lambda: all(e in text_of(log) for e in ends))
            lives = bool(workers) and self._is_alive(port)
            master.terminate()
            master.wait(DEADLINE_S)
        reports = {w: text_of(place / f"report.{w}") for w in workers}
        said = "\n".join([*reports.values(), text_of(log)])
        log.unlink(missing_ok=True)
        wrong = next(filter(None, (what_is_wrong(reports[w], place / f"core.{w}", threads[w]) for w in workers)), "")
        for worker in workers:
            (place / f"core.{worker}").unlink(missing_ok=True)
        return wrong or ("" if seen else "the master saw another end") or ("" if lives else "no new worker serves"), said

    @staticmethod
    def _two_workers(children):
        """Both, once each has its four threads for files."""
        def both():
            pids = text_of(children).split()
            return pids if len(pids) == 2 and all(len(threads_of(p)) == 5 for p in pids) else []
        return eventually(both)

    @staticmethod
    def _is_alive(port):
        def answers():
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
                connection.request("GET", "/")
                return connection.getresponse().read() == b"alive"
        return bool(eventually(answers))

    def java(self):
        """By preload it hands the signal on; in every second run it is loaded late, and Java aborts behind its own report.
        Compiled code would test for null after a while: interpreted, each is a SIGSEGV."""
        if not (self._folder / "NullPointers.class").exists():  # a runtime alone has the compiler, not its command
            compiler = ["java", "-m", "jdk.compiler/com.sun.tools.javac.Main"]
            subprocess.run([*compiler, "-d", self._folder, HERE / "NullPointers.java"], check=True)
        if next(self._late):
            environment = {**self._environment, "LD_PRELOAD": "", "LASTCPU_EARLIER": "ask_first"}
            return self._java_once(environment, [self._library], signal.SIGABRT)
        return self._java_once(self._environment, [], signal.SIGSEGV)

    def _java_once(self, environment, arguments, way):
        self._core.unlink(missing_ok=True)
        command = ["java", "-Xint", f"-XX:ErrorFile={self._folder}/hs_err", "-cp", self._folder, "NullPointers", *arguments]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False)
        wrong = what_is_wrong(done.stdout, self._core)
        if not wrong and "recovered 100000\n" not in done.stdout:
            wrong = "not every null pointer was recovered"
        return wrong or ("" if done.returncode == -way else f"status {done.returncode}"), done.stdout

    def go(self):
        self._go = self._go or GoVictim(self._library, self._folder)
        return self._go.crash(what_is_wrong)


def crash_often(programs, name, crashes):
    """Whether each crash was right; says so in one line."""
    right = 0
    for _ in range(crashes):
        try:
            wrong, said = getattr(programs, name)()
        except subprocess.TimeoutExpired as hung:
            wrong, said = f"no end within {DEADLINE_S} s", hung.output
        right += not wrong
        if wrong:
            print(f"{name}: {wrong}\n{said}", file=sys.stderr)
    print(f"{name}: {right} of {crashes}", flush=True)
    return right == crashes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", help="liblastcpu_crash_reporter.so")
    parser.add_argument("--crashes", type=int, default=100, help="of each program (%(default)s)")
    parser.add_argument("--program", action="append", choices=tuple(PACKAGES), help="only this one")
    parser.add_argument("--unpacked", default=HERE.parents[2] / "build/unpacked", help="where tools/test has unpacked servers")
    parser.add_argument("--all", action="store_true", help="a program that is not there is an error")
    options = parser.parse_args()
    os.environ["PATH"] += f":{options.unpacked}/usr/bin:{options.unpacked}/usr/sbin:/usr/sbin"
    failed = False
    with tempfile.TemporaryDirectory(prefix="lastcpu-crash-") as folder:
        programs = Programs(os.path.abspath(options.library), folder)
        for name in options.program or PACKAGES:
            if shutil.which(name) is None:
                print(f"{name}: not there, left out; tools/test brings it, or Debian's package {PACKAGES[name]}", flush=True)
                failed |= options.all
            else:
                failed |= not crash_often(programs, name, options.crashes)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
