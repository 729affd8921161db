# SPDX-License-Identifier: BSL-1.0
"""Which tests can notice a damage to a header, the likeliest and cheapest first."""
import collections
import pathlib

AREAS = {
    "core": ("include/lastcpu/*.hpp", "include/lastcpu/detail/*.hpp", "include/lastcpu/ladder/*.hpp",
             "include/lastcpu/barebones/*.hpp"),
    "kexec": ("include/lastcpu/kexec/*.hpp",),
    "x86_64": ("include/lastcpu/platform/x86_64.hpp", "include/lastcpu/platform/x86_64/*.hpp"),
    "machines": tuple(f"include/lastcpu/platform/{m}/*.hpp" for m in ("aarch64", "arm", "riscv")),
    "posix": ("include/lastcpu/platform/posix.hpp", "include/lastcpu/platform/posix/*.hpp"),
    "reporter": ("include/lastcpu/process/*.hpp", "include/lastcpu/process/reporter/*.hpp"),
    "model": ("include/lastcpu/model/*.hpp",),
}

# Unit tests are compiled without optimisation: building them takes longer than running them.
PRESETS = {
    "clang-debug": ("-DCMAKE_CXX_FLAGS_DEBUG=-O0",),
    "gcc-release": ("-DLASTCPU_BENCH_PEERS=OFF",),
    "tsan": (),
}

# What ctest runs that is no GoogleTest program: the targets to build before, what they make, the tests by name.
CTEST = {
    "model_check": (("model_check",), ("model_check",), "^readme\\.model_check$"),
    "fail": ((), (), "^fail\\."),
    "code_shape": ((), (), "^code_shape\\."),
    "footprint": ((), (), "^footprint\\."),
    "capture": ((), (), "^c\\.capture_finds_"),
    "jump": (tuple(f"lastcpu_{k}_kernel_{n}" for k in ("dying", "jump_crash") for n in (4, 5)),
             tuple(f"{k}_kernel_{n}.elf" for k in ("dying", "crash") for n in (4, 5)), "^jump_in_qemu\\."),
    "boot": (("lastcpu_scenario_kernel", "lastcpu_c_scenario_kernel", "lastcpu_example_crash_kernel", "lastcpu_trace_promises"),
             ("lastcpu_scenario_kernel.elf", "lastcpu_c_scenario_kernel.elf", "lastcpu_crash_kernel.elf"),
             "^boot\\.[^eth]|^boot\\.every_scenario|^boot\\.two|^boot\\.the_timeline"),
}
# Compiles everything that bare x86-64 has.
WHOLE_X86_64 = ("-std=c++20", "-ffreestanding", "-nostdinc++", "-fno-exceptions", "-fno-rtti",
                "-fno-threadsafe-statics", "-mno-red-zone", "-mgeneral-regs-only", "-mcmodel=kernel", "-fno-pic", "-w",
                "-Iinclude", "-c", "tests/compile/freestanding/whole_x86_64.cpp")

# The tests that bear another name than the header.
FITTING = {
    "gate_word": ("narrow_test", "panic_cpu_test", "gate_model"),
    "panic_cpu": ("gate_orders_test", "gate_steps_test", "gate_model"),
    "stop_cpus": ("own_marks_test", "stopping_cpu_test", "many_cpus_test", "panic_notes_test", "stop_model"),
    "stop_records": ("own_marks_test", "stopping_cpu_test", "panic_notes_test", "stop_cpus_test", "stop_model"),
    "stop_report": ("stop_cpus_test",), "self_stop": ("order_of_a_stop_test", "stop_model"),
    "crash_image": ("image_model", "faults_model"),
    "panic_message": ("formatted_message_test", "message_model", "two_halves_model"),
    "crash_kexec": ("panic_test", "own_marks_test", "panic_notes_test", "oops_record_test",
                    "panic_model"),
    "panic": ("two_halves_test", "formatted_message_test", "nmi_panic_test", "handle_nmi_test", "unknown_cpu_test",
              "cut_short_test", "two_halves_model", "panic_model"),
    "ladder": ("two_halves_test", "summary_test", "rungs_test", "panic_notes_test", "told_in_steps_test", "faulty_loser_test",
               "unknown_cpu_test", "faults_model", "two_halves_model"),
    "barebones": ("barebones_model",), "bare_stop": ("barebones_test", "barebones_model"),
    "bare_messages": ("barebones_test",), "online_cpus": ("barebones_model",), "kexec_outcome": ("crash_kexec_test",),
    "place": ("unknown_cpu_test", "place_model"),
    "panic_policy": ("panic_test", "crash_kexec_test"), "platform_check": ("platform_test", "fail"),
    "archetype": ("platform_test",), "optional_members": ("stop_cpus_test",),
    "deadline": ("narrow_test", "still_clock_test"),
    "save_once": ("own_marks_test", "stopping_cpu_test", "barebones_test", "stop_model"),
    "copy_plain": ("stop_cpus_test", "crash_image_test"),
    "bytes": ("kexec_digest_test", "kexec_elf64_test", "x86_64_crash_loader_test"),
    "crash_region": ("x86_64_crash_loader_test",), "load_error": ("x86_64_crash_loader_refusals_test",),
    "elf64": ("kexec_elf64_relocations_test", "x86_64_crash_loader_test", "x86_64_crash_loader_refusals_test"),
    "trampoline": ("x86_64_jump_test", "jump"),
    "crash_record": ("x86_64_jump_test", "x86_64_crash_loader_test"), "x86_64": ("x86_64_platform_test",),
    "instructions": ("release/x86_64_instructions_test", "x86_64_platform_test", "x86_64_resettable_test"),
    "hardware": ("x86_64_platform_test",), "kernel_check": ("x86_64_platform_test", "fail"),
    "handover": ("x86_64_crash_loader_test",), "crash_loader": ("x86_64_crash_loader_room_test",),
    "capture_program": ("posix_capture_signals_test", "posix_capture_start_test"),
    "cpu_guard": ("posix_signal_stack_test",), "cpu_table": ("posix_half_a_cpu_test", "posix_cpu_guard_test", "posix_fork_test"),
    "faults": ("posix_fault_test", "posix_fault_response_test", "posix_install_test"),
    "crash_notes": ("posix_fork_test",), "present_memory": ("posix_fork_test", "stop_cost_test"),
    "posix": ("posix_install_test", "posix_fault_response_test", "posix_signals_test", "posix_stop_test"),
    "signals": ("posix_handlers_test", "posix_cpu_guard_test", "posix_stop_test", "posix_stopped_test"),
    "futex": ("stop_cost_test", "posix_asleep_test", "posix_stopped_test", "wait_stress"),
    "tsan": ("tsan/posix_signals_test", "tsan/posix_stop_test", "tsan/stop_stress"),
    "words": ("hashes_model", "litmus_model", "orders_model"), "machine": ("waits_model", "interrupts_model"),
    "machine_state": ("races_model", "states_model"), "search": ("options_model", "interrupts_model"),
    "search_run": ("options_model",), "chart": ("charts_model",),
    "explore": ("options_model",), "scenario": ("charts_model",),
}
# What tests/process/posix/CMakeLists.txt leaves out there.
NOT_UNDER_TSAN = {"stop_cost_test", *(f"posix_{stem}_test" for stem in ("capture_program", "half_a_cpu", "handlers",
                                                                      "present_memory"))}
# Behind the fitting ones, in this order; "*" stands for the rest of a folder. --quick stops at the "|".
REST = {
    "core": ("panic_test", "crash_kexec_test", "stop_model", "panic_model", "|", "unit/*", "model/*", "code_shape",
             "footprint", "stress/*", "posix/*", "nmi_step", "storm_test", "x86_64/*", "fail", "boot"),
    "kexec": ("kexec/*", "|", "x86_64/*", "fuzz/*", "jump", "footprint", "boot"),
    "x86_64": ("x86_64_platform_test", "|", "kexec/*", "x86_64/*", "fuzz/*", "jump", "footprint", "boot"),
    "machines": ("capture", "|", "footprint"),
    "posix": ("posix_platform_test", "posix_fault_test", "posix_stop_test", "|", "posix/*", "stress/*", "nmi_step", "storm_test",
              "tsan/stop_stress"),
    "reporter": ("crash_reporter_parts_test", "crash_reporter_report_test", "crash_reporter_core_test", "|",
                 "crash_reporter/*", "fuzz/*"),
    "model": ("hashes_model", "litmus_model", "waits_model", "interrupts_model", "orders_model", "states_model", "races_model",
              "options_model", "charts_model", "checker_model", "|", "random_programs_model", "model/*", "model_check"),
}

# Where other threads or the clock have a part in it, a failure counts when it is seen twice.
UNSTEADY = ("posix_", "crash_reporter_", "stop_cost", "nmi_step", "storm", "tsan/", "boot", "jump")

Test = collections.namedtuple("Test", "name preset targets files command")


def command_for(program):
    """What runs a test program."""
    return ["qemu-i386", str(program)] if program.name == "narrow_test" else [str(program)]


def is_unsteady(test):
    return test.name.startswith(UNSTEADY) or test.name.endswith("_stress")


def area_of(path):
    for name, globs in AREAS.items():
        if any(pathlib.PurePath(path).match(g) for g in globs):
            return name
    raise SystemExit(f"{path}: no area of tools/mutate --random covers it")


def headers_of(root, area):
    return [str(p.relative_to(root)) for g in AREAS[area] for p in sorted(root.glob(g))]


def programs_by_folder(root):
    """What CMakeLists.txt of tests/ names its programs, by the house's rules; {folder: [program]}."""
    stems = lambda folder, suffix: sorted(p.stem for p in (root / "tests" / folder).glob(f"*{suffix}.cpp"))
    return {
        "unit": stems("unit/core", "_test") + stems("unit/narrow", "_test"),
        "kexec": [f"kexec_{s}" for s in stems("unit/kexec", "_test")],
        "x86_64": [f"x86_64_{s}" for s in stems("unit/x86_64", "_test")],
        "posix": [s if s.startswith(("posix_", "stop_cost")) else f"posix_{s}" for s in stems("process/posix", "_test")
                  if s != "wait_cost_test"],  # part of stop_cost_test
        "crash_reporter": [f"crash_reporter_{s}" for s in stems("process/crash_reporter", "_test")],
        "model": stems("race/model", "_model"),
        "stress": stems("race/stress", "_stress"),
        "fuzz": [f"fuzz_replay_{s.removesuffix('_fuzz')}" for s in stems("unit/fuzz", "_fuzz")],
    }


def make_test(name):
    """`name` as in the tables: PROGRAM, release/PROGRAM, tsan/PROGRAM, or a key of CTEST."""
    if name in CTEST:
        targets, files, pattern = CTEST[name]
        command = ("ctest", "--test-dir", "build/gcc-release", "-R", pattern, "--stop-on-failure",
                   "--output-on-failure")
        return Test(name, "gcc-release", targets, files, command)
    program = name.split("/")[-1]
    in_release = name.startswith("release/") or program.endswith("_model") or program in ("nmi_step", "storm_test")
    preset = "tsan" if name.startswith("tsan/") else "gcc-release" if in_release else "clang-debug"
    return Test(name, preset, (program,), (program,), None)


def expand(names, folders):
    for name in names:
        if name.endswith("/*"):
            yield from folders[name[:-2]]
        else:
            yield name


def tests_for(damage, folders, quick=False):
    """The tests to try, in turn. Those of the model take longer than others."""
    area, stem = area_of(damage.file), pathlib.PurePath(damage.file).stem
    prefix = {"core": "", "kexec": "kexec_", "x86_64": "x86_64_", "machines": "machines_", "posix": "posix_",
              "reporter": "crash_reporter_", "model": ""}[area]
    by_name = [n for n in (f"{prefix}{stem}_test", f"{stem}_model") if any(n in f for f in folders.values())]
    first = [*by_name, *FITTING.get(stem, ())]
    if area != "model":
        first.sort(key=lambda n: n.endswith("_model"))
    end = REST[area].index("|")
    rest = REST[area][:end] if quick else [n for n in REST[area] if n != "|"]
    if quick:
        first = [n for n in first if n not in CTEST]
    if stem == "tsan":  # nobody else compiles it
        rest = [] if quick else [f"tsan/{p}" for p in folders["posix"] if p not in NOT_UNDER_TSAN]
    names = dict.fromkeys([*first, *expand(rest, folders)])
    return [make_test(n) for n in names]
