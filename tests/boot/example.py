# SPDX-License-Identifier: BSL-1.0
"""The example kernel as it is: it says hello, and dies as its command line asks it to."""
from pathlib import Path

import boot as qemu
import verdict
from boot import Boot, Kernel
from scenarios import Scenario

SENTENCE = "the_example_kernel_says_hello_and_panics_as_asked"


def asked(boot):
    """The CPUs that are to panic."""
    who = dict(word.split("=") for word in boot.words)["panic"]
    return range(boot.cpus) if who == "all" else (int(who),)


def who_was_asked_panicked(facts, boot, _end):
    for n, cpu in facts.cpus.items():
        if cpu.crashing and (n not in asked(boot) or cpu.said.get("said") != "as asked"):
            yield f"CPU {n} crashed, and said {cpu.said}; asked to were: {list(asked(boot))}"


PANICS = Scenario("", "", more=who_was_asked_panicked)
ALL_PANIC = Boot("", 2, words=("panic=all",))
BOOTS = ((Boot("", 1, words=("panic=0",)), PANICS), (Boot("", 4, words=("panic=2",)), PANICS), (ALL_PANIC, PANICS),
         (Boot("", 8, words=("panic=all",)), PANICS), (Boot("", 2, image="flat", words=("panic=1",)), PANICS))


def run(_kernel, logs, options):
    """(passed, failed)"""
    kernel, passed = Kernel.example_of_build(Path(options.build)), 0
    for i, (boot, scenario) in enumerate(BOOTS):
        log = logs / f"{i}.log"
        ended = qemu.run(boot, kernel, log)
        problems = verdict.judge(boot, scenario, ended, kernel.text)
        if problems:
            print(qemu.explain(boot, ended, problems, log, "boot_test.py --group example --build BUILD"))
        else:
            print(f"ok: {boot}, {ended.seconds:.1f} s", flush=True)
        passed += not problems
    return passed, len(BOOTS) - passed
