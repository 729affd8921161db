#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""jump_test.py DIRECTORY TEST: boots the kernels that CMake has built in DIRECTORY, for one of the TESTS below."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.append(str(Path(__file__).resolve().parents[1] / "example"))

from boot import quick_firmware  # noqa: E402
from remote import Remote  # noqa: E402

RIGHT = 2 * 0x2a + 1  # verdict::right; the others stand in common.hpp
NOT_EXECUTABLE = 2 * 13 + 1  # verdict::not_executable
RESTART = 0  # what QEMU says with -no-reboot
DEADLINE = 60  # seconds for one boot
HANG = 30  # seconds, where a hang is what is looked for
QEMU = ("qemu-system-x86_64", "-nodefaults", "-M", "q35", "-m", "128", "-accel", "tcg", "-display", "none", "-no-reboot",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon", "stdio")


def command(directory, levels, cpu, how):
    return (*QEMU, *quick_firmware(), "-cpu", cpu, "-kernel", f"{directory}/dying_kernel_{levels}.elf",
            "-initrd", f"{directory}/crash_kernel_{levels}.elf", "-append", how)


def boot(directory, levels, cpu, how="plainly"):
    """(exit status, [trampoline, entry])"""
    result = subprocess.run(command(directory, levels, cpu, how), stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=DEADLINE, check=False)
    return result.returncode, [int(word, 16) for word in result.stdout.split()], result.stderr


def fault_in_the_crash_kernel_restarts(directory):
    """By the handler's port, not by a triple fault, which would look the same from outside."""
    result = subprocess.run((*command(directory, 4, "max", "fault"), "-d", "cpu_reset"), stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=DEADLINE, check=False)
    if result.returncode != RESTART or not result.stdout.endswith("f") or "Triple fault" in result.stderr:
        sys.exit(f"no restart by the crash kernel's IDT: status {result.returncode}\n{result.stdout}{result.stderr}")


def fault_in_the_crash_kernel_restarts_a_machine_without_port_0xcf9(directory):
    words = ["microvm" if word == "q35" else word for word in command(directory, 4, "max", "fault")]
    try:
        result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG, check=False)
    except subprocess.TimeoutExpired as hang:
        sys.exit(f"it hangs, and has said {hang.stdout}")
    if result.returncode != RESTART or not result.stdout.endswith("f"):
        sys.exit(f"no restart: status {result.returncode}\n{result.stdout}{result.stderr}")


def expect_arrival(*what):
    status, _, said = boot(*what)
    if status != RIGHT:
        sys.exit(f"QEMU ended with {status}, not {RIGHT} ({(status - 1) // 2}: see verdict in common.hpp)\n{said}")


def region_that_any_level_makes_no_execute_is_refused(directory):
    for levels in (4, 5):
        for level in range(2, levels + 1):
            status, _, said = boot(directory, levels, "max", f"x{level}")
            if status != NOT_EXECUTABLE:
                sys.exit(f"{levels} levels, no-execute at level {level}: QEMU ended with {status}, not {NOT_EXECUTABLE}\n"
                         f"{said}")


PROBE, JUMP = 1, 2  # who comes first to the trampoline's first byte: the load runs some bytes of its own there


def boot_with_nmi(directory, trampoline, steps, visit):
    """An NMI is pending when `steps` instructions are done from the trampoline's first byte. (exit status, where that
    was)"""
    with tempfile.TemporaryDirectory() as place:
        socket = f"{place}/gdb"
        qemu = subprocess.Popen((*command(directory, 4, "max", "plainly"), "-S", "-gdb", f"unix:{socket},server,nowait"),
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(socket, qemu)
            with Remote(socket) as machine:
                for _ in range(visit):
                    machine.run_to(trampoline)
                for _ in range(steps):
                    machine.step()
                at = machine.program_counter()
                machine.make_pending("nmi")
                machine.run()
                return qemu.wait(timeout=DEADLINE), at
        except (EOFError, OSError, ValueError) as wrong:
            sys.exit(f"it did not get to instruction {steps}: {wrong}")
        finally:
            qemu.kill()
            qemu.wait()
            qemu.stderr.close()


def wait_for(socket, qemu):
    while not os.path.exists(socket):
        try:
            qemu.wait(timeout=0.01)
            sys.exit(f"QEMU ended too early:\n{qemu.stderr.read().decode()}")
        except subprocess.TimeoutExpired:
            pass


def survives_an_nmi_before_every_instruction(directory):
    status, (trampoline, entry), said = boot(directory, 4, "max")
    if status != RIGHT:
        sys.exit(f"QEMU ended with {status} without an NMI\n{said}")
    lost = []
    for steps in range(200):
        status, at = boot_with_nmi(directory, trampoline, steps, JUMP)
        if status != RIGHT:
            lost.append(f"after {steps} instructions, at {at:#x}: {status}")
        if at == entry:
            break
    else:
        sys.exit("the trampoline never came to its end")
    if lost:
        sys.exit("an NMI was the end:\n" + "\n".join(lost))
    print(f"{steps + 1} instructions, an NMI before each")


def probe_survives_an_nmi_before_every_instruction(directory):
    _, (trampoline, _), _ = boot(directory, 4, "max")
    places = []
    for steps in range(4):
        status, at = boot_with_nmi(directory, trampoline, steps, PROBE)
        if status != RIGHT:
            sys.exit(f"an NMI in the probe of the region, at {at:#x}, was the end: {status}")
        places.append(at)
    if places[0] != trampoline or trampoline <= places[-1] < trampoline + 4096:
        sys.exit(f"that was not the probe: {[hex(at) for at in places]}")


TESTS = {
    "arrives_from_four_levels": lambda d: expect_arrival(d, 4, "max"),
    "arrives_from_five_levels": lambda d: expect_arrival(d, 5, "max"),
    "arrives_on_an_old_processor": lambda d: expect_arrival(d, 4, "qemu64"),
    "arrives_from_an_nmi": lambda d: expect_arrival(d, 4, "max", "nmi"),
    "probe_of_the_region_hands_on_the_faults_of_others": lambda d: expect_arrival(d, 4, "max", "probe"),
    "probe_of_the_region_survives_an_nmi_before_every_instruction": probe_survives_an_nmi_before_every_instruction,
    "region_that_any_level_makes_no_execute_is_refused": region_that_any_level_makes_no_execute_is_refused,
    "fault_in_the_crash_kernel_restarts": fault_in_the_crash_kernel_restarts,
    "fault_in_the_crash_kernel_restarts_a_machine_without_port_0xcf9":
        fault_in_the_crash_kernel_restarts_a_machine_without_port_0xcf9,
    "survives_an_nmi_before_every_instruction": survives_an_nmi_before_every_instruction,
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in TESTS:
        sys.exit(f"{__doc__}\n  " + "\n  ".join(TESTS))
    TESTS[sys.argv[2]](sys.argv[1])
