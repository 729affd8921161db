# SPDX-License-Identifier: BSL-1.0
"""Real machine checks, injected from outside: nobody wakes, nothing restarts.

A second one on the same CPU would restart the machine if the first were still marked as being handled. Not on 64
CPUs and more: QEMU hands them to one CPU after the other, and each waits for its turn on the host.
"""
import contextlib
import json
import re
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import boot as qemu
import scenarios
import verdict
from boot import Boot
from scenarios import Scenario, cpu_of

PATIENCE_S = 20
UNCORRECTED = "0xb200000000000000 0x5 0x0 0x0"  # status, MCG status (in progress, restart IP valid), address, misc
MACHINES = (("q35", 2), ("pc", 4), ("q35", 8))
WAITS, LINGERS = "kernel: waits for machine checks", "crash: lingering"


def all_others_lost(facts, _boot, _end):
    for n, c in facts.cpus.items():
        if not c.crashing and (c.state != "parked" or c.said.get("said in NMI") != "machine check"):
            yield f"CPU {n} has not lost in its machine check: it is {c.state}, and said {c.said}"


class Injector:
    """Waits for a line of the log, then speaks QMP: does what `plan` says."""

    def __init__(self, boot, log, path, plan):
        self.boot, self.log, self.path, self.plan = boot, log, path, plan
        self.done = threading.Event()
        self.answers = []

    def __call__(self):
        self.wait_for(WAITS if self.plan is not twice_on_each_stopped else LINGERS)
        with contextlib.suppress(OSError, ValueError):  # QEMU is gone: `done` stays unset
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(str(self.path))
                with s.makefile("rw") as self.stream:
                    self.stream.readline()  # its greeting
                    self.ask("qmp_capabilities")
                    self.plan(self)
            self.done.set()

    def wait_for(self, line):
        """The log once it has the line, or when patience is over."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and line not in self.log.read_text(encoding="latin-1"):
            time.sleep(0.02)
        return self.log.read_text(encoding="latin-1")

    def machine_check(self, where):
        line = f"mce {where} 0 {UNCORRECTED}"
        self.answers.append(self.ask("human-monitor-command", {"command-line": line}))

    def ask(self, what, arguments=None):
        self.stream.write(json.dumps({"execute": what} | ({"arguments": arguments} if arguments else {})) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer or "error" in answer:
                return answer


def twice_on_each_stopped(injector):
    stopped = re.findall(r"crash: cpu (\d+) stopped", injector.wait_for(LINGERS))
    for _ in (1, 2):
        for cpu in stopped:
            injector.machine_check(cpu)
        time.sleep(0.2)


def on_all_then_on_each_stopped(injector):
    injector.machine_check("-b 0")
    twice_on_each_stopped(injector)


def twice_on_the_dumper(injector):
    """The second one while it waits for the CPU that does not answer."""
    injector.machine_check(cpu_of(0, injector.boot))
    injector.wait_for("panic: cpu")
    time.sleep(0.5)
    injector.machine_check(cpu_of(0, injector.boot))


@dataclass(frozen=True)
class Group:
    name: str
    SENTENCE: str
    scenario: Scenario
    plan: Callable
    words: tuple = ()  # of the kernel's command line
    options: tuple = ()  # of QEMU

    def run(self, kernel, logs, _options):
        """(passed, failed)"""
        passes = list(qemu.at_once(lambda machine: self.passes(*machine, kernel, logs), MACHINES))
        return sum(passes), len(passes) - sum(passes)

    def passes(self, machine, cpus, kernel, logs):
        boot, log = Boot(self.scenario.name, cpus, machine, words=self.words), logs / f"{machine}-{cpus}.log"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "qmp"
            injector = Injector(boot, log, path, self.plan)
            ended = qemu.run(boot, kernel, log, (*self.options, "-qmp", f"unix:{path},server,nowait"), injector)
        problems = verdict.judge(boot, self.scenario, ended, kernel)
        refused = [a for a in injector.answers if a.get("return") != ""]
        if not injector.done.is_set() or refused:
            problems.append(f"the machine checks could not be injected: {refused or 'QEMU ended before'}")
        if problems:
            print(qemu.explain(boot, ended, problems, log, f"boot_test.py --group {self.name} --build BUILD"))
        else:
            print(f"ok: {boot}, {ended.seconds:.1f} s", flush=True)
        return not problems


ON_STOPPED = Group("machine_check", "stopped_cpus_survive_real_machine_checks",
                   scenarios.BY_NAME["same_tick"],  # one CPU parks, the others are stopped
                   twice_on_each_stopped, ("linger=2000",))
AT_ONCE = Group("machine_checks_at_once", "machine_checks_on_all_cpus_start_one_crash_kernel_and_leave_room_for_more",
                Scenario("machine_checks_at_once", "", more=all_others_lost), on_all_then_on_each_stopped,
                ("linger=2000",), ("-cpu", "Nehalem"))  # QEMU broadcasts them on Intel's only
ON_DUMPER = Group("machine_check_on_dumper", "a_dump_in_a_machine_check_survives_another",
                  Scenario("machine_check_on_dumper", "", silent=scenarios.role_1), twice_on_the_dumper)
