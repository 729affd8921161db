# SPDX-License-Identifier: BSL-1.0
"""The example kernel as it is: it says hello, and dies as its command line asks it to.

  example.py FOLDER    the kernel and the crash kernel in it: all CPUs panic; and one does, with a position-independent one
"""
import sys
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
MOVED = Boot("", 2, image="pie", words=("panic=1", "crashkernel=16M@157M"))
BOOTS = (Boot("", 1, words=("panic=0",)), Boot("", 4, words=("panic=2",)), ALL_PANIC,
         Boot("", 8, words=("panic=all",)), Boot("", 2, image="flat", words=("panic=1",)), MOVED)


def passes(boot, kernel, log, repeat):
    ended = qemu.run(boot, kernel, log)
    problems = verdict.judge(boot, PANICS, ended, kernel)
    said = qemu.explain(boot, ended, problems, log, repeat) if problems else f"ok: {boot}, {ended.seconds:.1f} s"
    print(said, flush=True)
    return not problems


def run(_kernel, logs, options):
    """(passed, failed)"""
    kernel = Kernel.example_of_build(Path(options.build))
    passed = sum(passes(boot, kernel, logs / f"{i}.log", "boot_test.py --group example --build BUILD")
                 for i, boot in enumerate(BOOTS))
    return passed, len(BOOTS) - passed


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    kernel = Kernel.of_files(folder / "lastcpu_kernel.elf", folder / "lastcpu_crash_kernel.elf",
                             folder / "lastcpu_trace_promises")
    passed = [passes(boot, kernel, folder / f"boot-{boot.image}.log", "the same command") for boot in (ALL_PANIC, MOVED)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
