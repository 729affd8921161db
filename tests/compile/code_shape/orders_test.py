# SPDX-License-Identifier: BSL-1.0
"""The memory orders of lastcpu::atomic in the machine code, for every machine that the core is compiled for.

orders.cpp has a function for each operation with each order. Each way through its instructions must have what was
asked for: acquire by the load itself or by a fence behind it, release by the store itself or by a fence before it; a
way on which an exchange stores nothing has the failure order. None of it may be a call of a library.
"""

import itertools
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
import ways  # noqa: E402
from machines import MACHINES, Machine  # noqa: E402
from matrix import Cell, Step  # noqa: E402

OPTIMIZATIONS = ("-O2", "-Os")
FLAGS = (*compilers.FREESTANDING, "-fno-pic")
FUNCTIONS = 2 * (2 + 2 + 4 + 8)  # two widths; loads, stores, additions, exchanges
FUNCTION = re.compile(r"(load|store|fetch_add|compare_exchange)_(?:32|ptr)_(relaxed|acquire|release|acq_rel)"
                      r"(?:_(relaxed|acquire))?")


def last(way: tuple, matches) -> int:
    return max((i for i, access in enumerate(way) if matches(access)), default=-1)


def lacks(way: tuple, load: int, store: int, order: str) -> list:
    """What is missing on this way, whose load and store of the word are the ones at these places."""
    acquires = load < 0 or way[load].acquire or any(a.fence and a.acquire for a in way[load:])
    releases = store < 0 or way[store].release or any(a.fence and a.release for a in way[:store])
    return [what for what, holds in (("acquire", acquires), ("release", releases))
            if order in (what, "acq_rel") and not holds]


def lacks_as(operation: str, way: tuple, success: str, failure: str) -> list:
    if operation == "load":
        load = last(way, lambda a: a.load)
        return lacks(way, load, -1, success) if load >= 0 else ["load"]
    if operation == "store":
        store = last(way, lambda a: a.store)
        return lacks(way, -1, store, success) if store >= 0 else ["store"]
    load, store = last(way, lambda a: a.exclusive and a.load), last(way, lambda a: a.exclusive and a.store)
    if load < 0:
        return ["exclusive load"]
    if store >= load:
        alone = load == store and operation == "compare_exchange"  # it may have failed, too
        return lacks(way, load, store, success) + (lacks(way, load, -1, failure) if alone else [])
    return lacks(way, load, -1, failure) if operation == "compare_exchange" else ["exclusive store"]


def stores(way: tuple) -> bool:
    return any(a.store for a in way)


def wrong_in(name: str, found: list) -> str:
    """What is wrong with a function that has these ways."""
    operation, success, failure = FUNCTION.fullmatch(name).groups()
    missing = {what for way in found for what in lacks_as(operation, way, success, failure)}
    if operation != "load" and not any(map(stores, found)):
        missing.add("store")
    return f"{name} has no {' and no '.join(sorted(missing))}" if missing else ""


def has_the_orders(machine: Machine):
    """objdump: every function of orders.cpp."""
    language = ways.LANGUAGES[machine.name]

    def check(result):
        if wrong := matrix.succeeds(result):
            return wrong
        functions, code = ways.read(result.text, language)
        functions = {name: at for name, at in functions.items() if FUNCTION.fullmatch(name)}
        if len(functions) != FUNCTIONS:
            return f"{len(functions)} functions, expected {FUNCTIONS}"
        wrong = [wrong_in(name, list(ways.ways(code, at, language))) for name, at in functions.items()]
        return "; ".join(filter(None, wrong)) or None

    return check


def calls_nobody(result):
    """What nm -u says: nm takes fifteen times as long as readelf."""
    symbols = " ".join(re.findall(r" UND (\S+)$", result.text, re.MULTILINE))
    return matrix.succeeds(result) or (f"undefined: {symbols}" if symbols else None)


def cell(machine: Machine, compiler: str, command: tuple, optimization: str) -> Cell:
    name = f"{machine.name}_{compiler.replace('+', 'x')}{optimization}"
    made = Step((*command, *FLAGS, optimization, "-I", str(compilers.INCLUDE), "-c", str(HERE / "orders.cpp"), "-o",
                 f"{name}.o"), matrix.silently)
    # Linked, for jumps in an object may still be open.
    linked = Step((*machine.gcc, "-nostdlib", "-static", "-Wl,-e,0", f"{name}.o", "-o", name))
    return Cell(f"{machine.name} {compiler} {optimization}",
                (made, Step(("readelf", "-sW", f"{name}.o"), calls_nobody), linked,
                 Step((machine.objdump, "-d", "--no-show-raw-insn", name), has_the_orders(machine))))


def main() -> int:
    directory, new_clang = compilers.from_command_line(__doc__)
    clangs, missing = compilers.find(("clang++", new_clang))
    missing += compilers.require({program: package for machine in MACHINES
                                  for program, package in machine.packages.items()} | {"readelf": "binutils"})
    cells = [cell(machine, compiler, command, optimization)
             for machine, optimization in itertools.product(MACHINES, OPTIMIZATIONS)
             for compiler, command in machine.compilers(clangs)]
    print(f"{', '.join(machine.name for machine in MACHINES)}: {len(cells)} cells")
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
