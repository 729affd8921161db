# SPDX-License-Identifier: BSL-1.0
"""Judges one boot by what it wrote to its serial line and by how QEMU ended. No problem: it passed."""
import events
import log

# What isa-debug-exit makes of the kernels' verdict codes: 2 * code + 1.
DONE_STATUS = 2 * 16 + 1     # the crash kernel is done
NOTHING_STATUS = 2 * 17 + 1  # the scenario `nothing` is
RESTART_STATUS = 0           # a reset under -no-reboot

ANSWERED = ("running", "parked", "by irq", "by nmi")
LONGEST_PATH_US = 20_000_000  # panic to crash kernel; the bounds of the rungs and a loaded machine


def end_of(status):
    """QEMU's exit status in words."""
    if status is None:
        return "hang"
    named = {DONE_STATUS: "crash kernel", NOTHING_STATUS: "bye", RESTART_STATUS: "restart"}
    return named.get(status, f"status {status}")


def judge(boot, scenario, ended, kernel):
    """What is wrong with how `boot` ended, as sentences; empty when nothing is. Of `kernel` it takes where the code is,
    and the program that judges the timeline."""
    facts = log.read(ended.log)
    problems = list(facts.problems)
    end = end_of(ended.status)
    if end == "hang":
        problems.insert(0, f"it hangs: still running after {ended.seconds:.0f} s, and killed")
    elif end not in scenario.ends:
        problems.insert(0, f"it ends with: {end}; it must be: {' or '.join(sorted(scenario.ends))}")
    problems += judge_boot(facts, boot, scenario)
    if end == "crash kernel" or facts.started:
        problems += judge_crash(facts, boot, scenario, kernel)
    elif end == "restart":
        problems += judge_restart(facts, boot, scenario)
    elif end == "bye" and not facts.bye:
        problems.append("it ends as if there had been nothing to do, and does not say so")
    return problems + list(scenario.more(facts, boot, end))


def judge_boot(facts, boot, scenario):
    if facts.online != boot.cpus:
        yield f"{facts.online} CPUs are online, not {boot.cpus}"
    if facts.online and not 10**6 <= facts.tsc_hz <= 10**11:
        yield f"the TSC's frequency is {facts.tsc_hz} Hz"
    if boot.scenario == "" and not facts.hello:
        yield "it does not say hello"
    if facts.scenario != boot.scenario or (boot.scenario and facts.seed != boot.seed):
        yield f"the kernel runs scenario {facts.scenario or '(none)'} with seed {facts.seed}"
    said = facts.images[0] if facts.images else ""
    if boot.image == "damaged":
        if said in ("", "loaded"):
            yield f"a damaged image was not refused: {said or 'not a word'}"
    elif said != ("" if boot.image == "none" else "loaded"):
        yield f"image {boot.image}: {said or 'not a word'}"
    if len(facts.panics) > 1:
        yield f"{len(facts.panics)} panics are reported as the machine's, not one: {facts.panics}"


def judge_crash(facts, boot, scenario, kernel):
    if len(facts.started) != 1:
        yield f"{len(facts.started)} crash kernels were started, not one"
    elif facts.started[0] > LONGEST_PATH_US:
        yield f"from the panic to the crash kernel it took {facts.started[0]} us"
    if facts.done is None:
        yield "the crash kernel did not come to its last line"
    if facts.not_started or facts.restarting:
        yield "the kernel gave the crash kernel up, and it started all the same"
    yield from judge_report(facts, boot, scenario)
    for n, cpu in sorted(facts.cpus.items()):
        yield from judge_cpu(n, cpu, kernel.text, scenario.lost and cpu.crashing)
    yield from judge_stacks(facts)
    if facts.torn > sum(c.state in ("by nmi", "silent") for c in facts.cpus.values()):
        yield f"{facts.torn} lines are torn, and fewer CPUs were stopped by NMI"
    for n, count in sorted(facts.events_lost.items()):
        yield f"the timeline lacks the first {count} events of CPU {n}"
    if facts.events:
        yield from events.broken_promises(facts.events, boot.cpus, kernel.promises)
        yield from judge_against_timeline(facts)
    else:
        yield "the crash kernel has no timeline"


def judge_report(facts, boot, scenario):
    wanted, found = set(range(boot.cpus)), set(facts.cpus)
    if wanted - found:
        yield f"missing from the report: CPU {', '.join(map(str, sorted(wanted - found)))}"
    if found - wanted:
        yield f"in the report, but not in the machine: CPU {', '.join(map(str, sorted(found - wanted)))}"
    crashing = [n for n, c in facts.cpus.items() if c.crashing]
    if len(crashing) != 1:
        yield f"{len(crashing)} CPUs crashed, not one: {crashing}"
    for n, message in facts.panics:
        if crashing and n not in crashing:
            yield f"CPU {n} reported its panic, but the crash is that of CPU {crashing[0]}"
        elif n in found and message not in facts.cpus[n].said.values():
            yield f"CPU {n} panicked with {message!r}, and is kept as {facts.cpus[n].said}"
    for n, cpu in facts.cpus.items():
        text, wanted_text = cpu.said.get("said"), scenario.says(boot, n)
        if text is not None and wanted_text is not None and not text.startswith(wanted_text):
            yield f"CPU {n} said {wanted_text!r}, and is kept as {text!r}"
    silent, expected = {n for n, c in facts.cpus.items() if c.state == "silent"}, set(scenario.silent(boot))
    if silent - expected:
        yield f"silent, but must have answered: CPU {', '.join(map(str, sorted(silent - expected)))}"
    if expected - silent:
        yield f"not named silent, though it can't have answered: CPU {', '.join(map(str, sorted(expected - silent)))}"
    if facts.done is not None and facts.done != (len(found), len(silent)):
        yield f"the last line counts {facts.done[0]} CPUs and {facts.done[1]} silent, " \
              f"the report has {len(found)} and {len(silent)}"


def judge_answer(n, cpu):
    """What must be true of each CPU, crash kernel or not."""
    if cpu.crashing != (cpu.state == "running"):
        yield f"CPU {n} is {'' if cpu.crashing else 'not '}the crashing one, and its state is {cpu.state}"
    if cpu.crashing and not cpu.said:
        yield f"the message of the crashing CPU {n} is lost"
    if cpu.state == "parked" and not cpu.said:
        yield f"CPU {n} is parked, and its message is lost"
    if cpu.state not in ANSWERED and cpu.registers:
        yield f"CPU {n} is {cpu.state} and has registers all the same"
    if cpu.state in ANSWERED and not cpu.registers:
        yield f"CPU {n} answered, and its registers are missing"


def judge_cpu(n, cpu, text, lost):
    yield from judge_answer(n, cpu)
    if not cpu.registers:
        return
    if (cpu.rip in text) == lost:
        yield f"CPU {n}: rip {cpu.rip:#x} is {'' if lost else 'not '}in the kernel's code ({text.start:#x}-{text.stop:#x})"
    if cpu.rsp < 1 << 63:
        yield f"CPU {n}: rsp {cpu.rsp:#x} is no kernel stack"
    if not cpu.frames or cpu.frames[0] != cpu.rip:
        yield f"CPU {n}: its backtrace does not begin at rip {cpu.rip:#x}"
    for i, address in enumerate(cpu.frames):
        if address - (i > 0) not in text and not (lost and i == 0):  # behind a call that never returns the code may end
            yield f"CPU {n}: frame #{i} {address:#x} is not in the kernel's code"


def judge_stacks(facts):
    seen = {}
    for n, cpu in sorted(facts.cpus.items()):
        if cpu.registers:
            if cpu.rsp in seen:
                yield f"CPUs {seen[cpu.rsp]} and {n} have the same rsp {cpu.rsp:#x}"
            seen[cpu.rsp] = n


def judge_against_timeline(facts):
    """The report and the timeline were made apart; they must agree."""
    committed = [e.cpu for e in facts.events if e.kind == "committed"]
    crashing = [n for n, c in facts.cpus.items() if c.crashing]
    if len(committed) == 1 and len(crashing) == 1 and committed != crashing:
        yield f"CPU {committed[0]} committed, and CPU {crashing[0]} is reported as the one that crashed"
    for n, cpu in facts.cpus.items():
        lost = any(e.cpu == n and e.kind == "claim_lost" for e in facts.events)
        answers = [events.STATES[e.value] for e in facts.events
                   if e.cpu == n and e.kind == "acknowledged" and e.value < len(events.STATES)]
        if cpu.state in ("parked", "by irq", "by nmi") and cpu.state not in answers:
            yield f"CPU {n} is reported as {cpu.state}; by its timeline it answered: {answers or 'not at all'}"
        if lost and cpu.state != "silent" and not cpu.said:
            yield f"CPU {n} lost the race for the gate, and its message is lost"


def judge_restart(facts, boot, scenario):
    yield from judge_report(facts, boot, scenario)
    for n, cpu in sorted(facts.cpus.items()):
        yield from judge_answer(n, cpu)
    if not facts.restarting:
        yield "it does not say that it restarts"
    reasons = ("no_image",) if boot.image in ("none", "damaged") else scenario.not_started
    if len(facts.not_started) != 1 or facts.not_started[0] not in reasons:
        yield f"why no crash kernel was started: {facts.not_started or 'not a word'}, not {' or '.join(reasons)}"
    if not facts.panics:
        yield "it restarts, and no panic was reported"
