# SPDX-License-Identifier: BSL-1.0
"""A CPU that panics by itself is dumped as it was in the function that did: gdb's first frame is that one, not one of
lastcpu's."""
import bisect
import re
import subprocess

import boot as qemu
import scenarios
import verdict
from boot import Boot
from log import read as read_log

SENTENCE = "registers_of_a_panic_are_those_of_who_panicked"
# Who says what, and in which function; the compiler may put one into the other.
BOOTS = ((Boot("panic", 1), "as asked", ("panic",)),
         (Boot("panic", 2), "as asked", ("panic",)),
         (Boot("same_tick", 4), "panic in role", ("panic_as", "same_tick")),
         (Boot("nmi_on_dumper", 2), "dumps", ("nmi_on_dumper",)))


class Functions:
    """Of an ELF file, by address."""

    def __init__(self, elf):
        lines = subprocess.run(["nm", "-C", "--defined-only", "-n", str(elf)], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.splitlines()
        found = [line.split(" ", 2) for line in lines if line.split(" ", 2)[1] in "tTwW"]
        self.addresses = [int(address, 16) for address, _, _ in found]
        self.names = [name for _, _, name in found]

    def at(self, address):
        i = bisect.bisect_right(self.addresses, address) - 1
        return self.names[i] if i >= 0 else "(nothing)"


def is_function(name, wanted):
    """`(anonymous namespace)::panic(unsigned int) [clone .cold]` is `panic`."""
    return re.search(rf"(^|::){wanted}(\(|$)", name) is not None


def misplaced(facts, said, wanted, functions):
    panicked = {n: c for n, c in facts.cpus.items() if c.said.get("said", "").startswith(said)}
    if not panicked:
        yield f"nobody said '{said}'"
    for n, c in sorted(panicked.items()):
        name = functions.at(c.rip)
        if not any(is_function(name, w) for w in wanted):
            yield f"CPU {n} panicked in {' or '.join(wanted)}, and its rip {c.rip:#x} is in {name}"


def run(kernel, logs, _options):
    """(passed, failed)"""
    functions, passed = Functions(kernel.elf), 0
    for i, (boot, said, wanted) in enumerate(BOOTS):
        log = logs / f"{i}.log"
        ended = qemu.run(boot, kernel, log)
        problems = verdict.judge(boot, scenarios.BY_NAME[boot.scenario], ended, kernel)
        problems += misplaced(read_log(ended.log), said, wanted, functions)
        if problems:
            print(qemu.explain(boot, ended, problems, log, "boot_test.py --group first_frame --build BUILD"))
        else:
            print(f"ok: {boot}, {ended.seconds:.1f} s", flush=True)
        passed += not problems
    return passed, len(BOOTS) - passed
