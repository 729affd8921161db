#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Crashes unmodified programs that have the crash reporter by preload: memcached in four threads at once under load, an
nginx worker, a JVM that has recovered from 100,000 null pointers. Counts exactly one whole report, every thread in it, the
right signal. A program that is not installed is named and left out. By hand: it wants memcached, nginx and java."""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import socket

WAYS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
DEADLINE_S = 60
NULL_POINTERS = """public class NullPointers {
  static int[] none;
  public static void main(String[] arguments) throws Exception {
    int recovered = 0;
    for (int i = 0; i < 100000; i++) {
      try { recovered += none[i]; } catch (NullPointerException e) { recovered++; }
    }
    System.out.println("recovered " + recovered);
    new ProcessBuilder("kill", "-SEGV", "" + ProcessHandle.current().pid()).start();
    Thread.sleep(30000);
  }
}
"""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def threads_of(pid):
    return [int(t) for t in os.listdir(f"/proc/{pid}/task")]


def what_is_wrong(said, threads):
    """Empty, or what a report does not keep; `threads` of None is any number."""
    if said.count("has crashed ***\n") != 1 or said.count("*** end of report ***\n") != 1:
        return "not exactly one whole report"
    if "SILENT" in said or "core: " not in said:
        return "a thread was not stopped, or there is no core"
    found = re.search(r"^(\d+) threads?,", said, re.MULTILINE)
    if found is None or (threads is not None and int(found.group(1)) != threads):
        return f"not all of {threads} threads"
    return ""


class Load:
    """Two clients of memcached's that never pause."""

    def __init__(self, port):
        self._port, self._stop = port, threading.Event()
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
            time.sleep(0.001)

    def end(self):
        self._stop.set()
        for t in self._threads:
            t.join()


class Programs:
    def __init__(self, library, folder):
        self._folder = Path(folder)
        self._environment = {**os.environ, "LD_PRELOAD": library, "LASTCPU_CORE": str(self._folder / "core")}

    def memcached(self):
        port = free_port()
        user = ["-u", "root"] if os.geteuid() == 0 else []
        with subprocess.Popen(["memcached", *user, "-p", str(port), "-U", "0", "-t", "8", "-l", "127.0.0.1"],
                              env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as server:
            load = Load(port)
            time.sleep(0.15)
            tids = threads_of(server.pid)
            for tid, way in zip(tids[1:5], WAYS):
                subprocess_kill(server.pid, tid, way)
            said = server.communicate(timeout=DEADLINE_S)[1]
            load.end()
        return what_is_wrong(said, len(tids)) or ("" if -server.returncode in WAYS else f"status {server.returncode}"), said

    def nginx(self):
        conf, port, report = self._folder / "nginx.conf", free_port(), self._folder / "report"
        conf.write_text(f"""daemon off; master_process on; worker_processes 2; pid {self._folder}/pid; user root;
error_log {self._folder}/error.log; thread_pool default threads=4; events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; aio threads; root {self._folder}; }} }}
""", encoding="utf-8")
        report.unlink(missing_ok=True)
        with subprocess.Popen(["nginx", "-c", str(conf)], env={**self._environment, "LASTCPU_REPORT": str(report)},
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as master:
            time.sleep(0.25)
            children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text(encoding="utf-8").split()
            worker = int(children[0])
            count = len(threads_of(worker))
            os.kill(worker, signal.SIGSEGV)
            for _ in range(200):
                time.sleep(0.01)
                said = report.read_text(encoding="utf-8") if report.exists() else ""
                if "exited on signal 11" in (self._folder / "error.log").read_text(encoding="utf-8"):
                    break
            master.terminate()
            master.wait(DEADLINE_S)
        log = (self._folder / "error.log").read_text(encoding="utf-8")
        (self._folder / "error.log").unlink()
        return what_is_wrong(said, count) or ("" if "exited on signal 11" in log else "the master saw another end"), said

    def java(self):
        source = self._folder / "NullPointers.java"
        source.write_text(NULL_POINTERS, encoding="utf-8")
        done = subprocess.run(["java", str(source)], env=self._environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False)
        wrong = what_is_wrong(done.stdout, None)
        if not wrong and "recovered 100000\n" not in done.stdout:
            wrong = "not every null pointer was recovered"
        return wrong or ("" if done.returncode == -signal.SIGSEGV else f"status {done.returncode}"), done.stdout


def subprocess_kill(pid, tid, number):
    """tgkill(), which Python has not."""
    import ctypes  # pylint: disable=import-outside-toplevel

    ctypes.CDLL(None).syscall(234 if os.uname().machine == "x86_64" else 131, pid, tid, int(number))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", help="liblastcpu_crash_reporter.so")
    parser.add_argument("--crashes", type=int, default=100, help="of each program (%(default)s)")
    parser.add_argument("--program", action="append", choices=("memcached", "nginx", "java"), help="only this one")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="lastcpu-crash-") as folder:
        programs = Programs(os.path.abspath(options.library), folder)
        for name in options.program or ("memcached", "nginx", "java"):
            if shutil.which(name) is None:
                print(f"{name}: not installed, left out", flush=True)
                continue
            right = 0
            for _ in range(options.crashes):
                wrong, said = getattr(programs, name)()
                right += not wrong
                if wrong:
                    print(f"{name}: {wrong}\n{said}", file=sys.stderr)
            print(f"{name}: {right} of {options.crashes}", flush=True)
            failed |= right != options.crashes
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
