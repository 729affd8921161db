# SPDX-License-Identifier: BSL-1.0
"""The names of benchmarks in words: claim_vs_cmpxchg/platform:posix is "A claim / lock cmpxchg: POSIX port".

A name is ours, then what it is compared with, then its parameters. What has no words here is shown as it is.
"""

# A control has the same code on both sides.
OURS = {
    "claim": "A claim of the open gate",
    "claim_release": "Claim and release",
    "lost_claim": "A claim of the gate that another CPU holds",
    "in_progress": "in_progress()",
    "handle_nmi": "handle_nmi() while nobody panics",
    "crash_kexec": "crash_kexec() without a crash kernel",
    "winner_in": "All claim at once, until the winner is in",
    "last_parked": "All claim at once, until the last loser is parked",
    "work_beside_parked": "The winner's work beside parked losers",
    "work_beside_spinning": "The winner's work beside losers that spin",
    "stop_sleeping": "Stop of sleeping threads",
    "stop_spinning": "Stop of spinning threads",
    "stop_with_losers": "Stop where some have lost and are parked",
    "fault_to_first_line": "A fault, until the capture program's first line",
    "faults_to_end": "Faults together, until the end of the process",
    "reported_faults_to_end": "Faults together, reported with the names of functions, until the end of the process",
    "load_unload": "The crash image loaded and unloaded",
    "xxh64": "xxh64",
    "sha256": "SHA-256",
    "control_locked": "Control, a locked instruction",
    "control_load": "Control, a load",
    "control_work": "Control, work alone",
    "control_stop_by_tgkill": "Control, a stop by hand",
    "control_raw_load_unload": "Control, load and unload by hand",
    "control_xxh64": "Control, xxh64",
}
RAW = {
    "cmpxchg": "lock cmpxchg",
    "two_cmpxchg": "two lock cmpxchg",
    "cmpxchg_and_store": "lock cmpxchg and a store",
    "look_and_cmpxchg": "a load and lock cmpxchg",
    "load": "a load",
    "atomic_flag": "std::atomic_flag",
    "pthread_mutex_trylock": "a mutex's trylock and unlock",
    "call_once": "std::call_once",
    "trylock_only": "the bare trylock",
    "panic_lock_2011": "the design of 2011",
    "panic_cpu_2015": "the design of 2015",
    "double_read_2025": "the design of 2025",
    "specimens": "the historical designs",
    "flag_and_sleep": "a flag and a sleep",
    "alone": "alone",
    "tgkill": "tgkill() and flags by hand",
    "without": "with none parked",
    "boehm": "the Boehm collector's stop",
    "fexecve": "a handler that does nothing but start it",
    "no_handler": "no handler",
    "abseil": "Abseil's handler",
    "glog": "glog's handler",
    "raw": "by hand",
    "raw_while_claimed": "by hand, while crashes claim it",
    "itself": "itself",
    "crc32c": "CRC-32C",
    "xxh64": "xxh64",
}
VALUES = {
    "platform": {"constant_cpu": "the CPU's number is constant", "tls_cpu": "the CPU's number is read",
                 "posix": "POSIX port"},
    "hold": {"trial": "for crash_kexec()", "final": "for a panic"},
    "kind": {"polled": "in a loop", "in_a_row": "sixteen in a row"},
    "wanted": {"branch": "branched on", "value": "kept in a register"},
    "work": {"chase": "in random order", "stream": "from end to end"},
    "at": {"same_core": "on one core", "same_socket": "on one socket", "across": "across sockets",
           "spread": "one on each CPU", "two_on_each": "two on each CPU", "any_processor": "on any processor",
           "one_processor": "all on one processor", "all_others": "on all other CPUs", "winners_cpu": "on the winner's CPU"},
}
COUNTED = {"cpus": ("CPU", "CPUs"), "threads": ("thread", "threads"), "losers": ("loser", "losers"),
           "parked": ("parked", "parked")}


def plain(text):
    return text.replace("_", " ")


def ours_in_words(family):
    name = family.partition("_vs_")[0]
    return OURS.get(name, plain(name))


def raw_in_words(family):
    name = family.partition("_vs_")[2]
    return RAW.get(name, plain(name))


def parameter_in_words(key, value):
    if key in COUNTED and value.isdigit():
        return f"{int(value):,} {COUNTED[key][value != '1']}"
    return VALUES.get(key, {}).get(value) or f"{plain(key)} {value}"


def size_in_words(text):
    """65536 as "64 KiB"."""
    number = int(text)
    for scale, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= scale and number % scale == 0:
            return f"{number // scale} {unit}"
    return f"{number:,}"


def in_words(benchmark):
    ours, versus, raw = benchmark.family.partition("_vs_")
    if ours not in OURS or (versus and raw not in RAW):
        return benchmark.label
    told = [benchmark.variant] if benchmark.variant else []
    told += [size_in_words(part) for part in benchmark.label.split("/")[1:] if part.isdigit()]
    told += [parameter_in_words(key, value) for key, value in benchmark.parameters.items()]
    return OURS[ours] + (f" / {RAW[raw]}" if raw else "") + (f": {', '.join(told)}" if told else "")
