# SPDX-License-Identifier: BSL-1.0
"""Real machine checks, two on each CPU that has stopped, while the crash kernel runs: nobody wakes, nothing restarts.

A second one would restart the machine if the first were still marked as being handled.
"""
import contextlib
import json
import re
import socket
import tempfile
import threading
import time
from pathlib import Path

import boot as qemu
import scenarios
import verdict
from boot import Boot

SENTENCE = "stopped_cpus_survive_real_machine_checks"
BOOT = Boot("same_tick", 4, words=("linger=2000",))  # one CPU parks, two are stopped
PATIENCE_S = 20
UNCORRECTED = "0xb200000000000000 0x5 0x0 0x0"  # status, MCG status (in progress, restart IP valid), address, misc


class Injector:
    """Waits until the crash kernel lingers, then speaks QMP."""

    def __init__(self, log, path):
        self.log, self.path = log, path
        self.done = threading.Event()
        self.answers = []

    def __call__(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            text = self.log.read_text(encoding="latin-1")
            if "crash: lingering" in text:
                with contextlib.suppress(OSError, ValueError):  # QEMU is gone: `done` stays unset
                    self.inject(re.findall(r"crash: cpu (\d+) stopped", text))
                return
            time.sleep(0.02)

    def inject(self, cpus):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.path))
            with s.makefile("rw") as stream:
                stream.readline()  # its greeting
                self.ask(stream, "qmp_capabilities")
                for _ in (1, 2):
                    for cpu in cpus:
                        line = f"mce {cpu} 0 {UNCORRECTED}"
                        self.answers.append(self.ask(stream, "human-monitor-command", {"command-line": line}))
                    time.sleep(0.2)
        self.done.set()

    @staticmethod
    def ask(stream, what, arguments=None):
        stream.write(json.dumps({"execute": what} | ({"arguments": arguments} if arguments else {})) + "\n")
        stream.flush()
        while True:
            answer = json.loads(stream.readline())
            if "return" in answer or "error" in answer:
                return answer


def run(kernel, logs, _options):
    """(passed, failed)"""
    log = logs / "1.log"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "qmp"
        injector = Injector(log, path)
        ended = qemu.run(BOOT, kernel, log, ("-qmp", f"unix:{path},server,nowait"), injector)
    problems = verdict.judge(BOOT, scenarios.BY_NAME[BOOT.scenario], ended, kernel.text)
    refused = [a for a in injector.answers if a.get("return") != ""]
    if not injector.done.is_set() or refused:
        problems.append(f"the machine checks could not be injected: {refused or 'QEMU ended before'}")
    if problems:
        print(qemu.explain(BOOT, ended, problems, log, "boot_test.py --group machine_check --build BUILD"))
    return (0, 1) if problems else (1, 0)
