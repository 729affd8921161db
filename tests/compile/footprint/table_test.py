# SPDX-License-Identifier: BSL-1.0
"""The bytes of code and of RAM that each configuration costs on each machine, compiled by gcc with -Os, and that the table
in docs/figures.md says so, give or take 3 %. Prints the table as it should be."""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import machines  # noqa: E402
import matrix  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

DOCUMENT = HERE.parents[2] / "docs/figures.md"
HEADING = "## Bytes of each configuration"
FLAGS = (*compilers.FREESTANDING, "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
         "-fno-unwind-tables", *compilers.STRICT, "-Os")
X86_64 = ("g++", "-mno-red-zone", "-mgeneral-regs-only", "-mcmodel=kernel", "-fcf-protection=none")
OTHERS = ("aarch64", "riscv64", "riscv32", "armv7", "Cortex-M33")
NAMES = {"riscv32": "rv32imac"}
CONFIGURATIONS = {"barebones": "BAREBONES", "gate only": "GATE_ONLY", "no crash kernel": "NO_CRASH_KERNEL",
                  "everything": "EVERYTHING"}
SMALL = ("riscv32", "Cortex-M33")  # without a cache
SHARE = 0.03
KINDS = {"code": re.compile(r"\.(text|rodata|srodata|data\.rel\.ro)\b"), "RAM": re.compile(r"\.(bss|data|sbss|sdata)\b")}


def commands() -> dict:
    by_name = {m.name: m for m in machines.MACHINES}
    return {"x86-64": X86_64, **{name: by_name[name].gcc for name in OTHERS}}


def bytes_of(sections: str) -> tuple:
    """(code, RAM) in what `size -A` says."""
    found = {kind: 0 for kind in KINDS}
    for name, size in re.findall(r"^(\.\S+)\s+(\d+)", sections, re.MULTILINE):
        for kind, pattern in KINDS.items():
            if pattern.match(name) and not (kind == "RAM" and name.startswith(".data.rel.ro")):
                found[kind] += int(size)
    return found["code"], found["RAM"]


def documented() -> dict:
    """{(configuration, machine): (code, RAM)}"""
    section = DOCUMENT.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    out = {}
    for row in rows[2:]:
        for machine, cell in zip(rows[0][1:], row[1:]):
            numbers = [int(n.replace(",", "")) for n in re.findall(r"[\d,]+", cell)]
            out[row[0], machine] = tuple(numbers) if len(numbers) == 2 else None
    return out


def is_true(found: tuple, written) -> bool:
    return written is not None and all(abs(f - w) <= SHARE * f for f, w in zip(found, written))


def cell(configuration: str, machine: str, command: tuple, written: dict, measured: dict) -> Cell:
    name = NAMES.get(machine, machine)
    output = file_name("table", configuration, machine) + ".o"
    chosen = [f"-D{macro}={int(macro == CONFIGURATIONS[configuration])}" for macro in CONFIGURATIONS.values()]
    made = (*command, *FLAGS, *chosen, f"-DSMALL={int(machine in SMALL)}", "-I", str(compilers.INCLUDE), "-c",
            str(HERE / "configurations.cpp"), "-o", output)

    def check(result):
        if wrong := matrix.succeeds(result):
            return wrong
        found = measured[configuration, name] = bytes_of(result.text)
        if found[0] and is_true(found, written.get((configuration, name))):
            return None
        return f"{found[0]:,} bytes of code and {found[1]:,} of RAM, {DOCUMENT.name} says {written.get((configuration, name))}"

    return Cell(f"{configuration} on {name}", (Step(made, matrix.silently), Step(("size", "-A", output), check)))


def table(measured: dict, names: list) -> str:
    lines = ["| code + RAM | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for configuration in CONFIGURATIONS:
        values = [measured.get((configuration, name), (0, 0)) for name in names]
        lines.append(f"| {configuration} | " + " | ".join(f"{code:,} + {ram:,}" for code, ram in values) + " |")
    return "\n".join(lines)


def main() -> int:
    directory, _ = compilers.from_command_line(__doc__)
    measured, written, all_commands = {}, documented(), commands()
    by_name = {m.name: m for m in machines.MACHINES}
    missing = compilers.require({"size": "binutils", "g++": "g++"} |
                                {by_name[name].gcc[0]: by_name[name].package for name in OTHERS})
    cells = [cell(configuration, machine, command, written, measured)
             for configuration in CONFIGURATIONS for machine, command in all_commands.items()]
    status = matrix.run(cells, directory, missing)
    print(f"{HEADING} in docs/figures.md, as it is now:\n" + table(measured, [NAMES.get(m, m) for m in all_commands]))
    return status


if __name__ == "__main__":
    sys.exit(main())
