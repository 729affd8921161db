#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""One crash of the example kernel in QEMU, for tools/demo: what the crash kernel reports, and what each CPU did.

  showpiece.py BUILD EVENTS    EVENTS becomes a file for tools/timeline.py
"""
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import boot as qemu  # noqa: E402
import events  # noqa: E402
import scenarios  # noqa: E402
import verdict  # noqa: E402
from boot import Boot, Kernel  # noqa: E402
from log import read as read_log  # noqa: E402

BOOT = Boot("same_tick", 8)  # CPUs 1 and 2 panic, the others sleep


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: showpiece.py BUILD EVENTS")
    build, out = sys.argv[1], Path(sys.argv[2])
    qemu.require_qemu()
    kernel = Kernel.of_build(build)
    log = out.with_suffix(".log")
    ended = qemu.run(BOOT, kernel, log)
    problems = verdict.judge(BOOT, scenarios.BY_NAME[BOOT.scenario], ended, kernel)
    print("\n".join(f"  {line}" for line in ended.log.splitlines() if not line.startswith("trace:")))
    if problems:
        print(qemu.explain(BOOT, ended, problems, log, "tools/soak --kernel --scenario same_tick"))
        return 1
    facts = read_log(ended.log)
    print(f"\nWhat each CPU did (the log in full: {log}):\n")
    print(events.as_text(facts.events, facts.tsc_hz, BOOT.cpus))
    out.write_text(events.as_input_of_timeline(facts.events, facts.tsc_hz), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
