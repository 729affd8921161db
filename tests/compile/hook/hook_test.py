# SPDX-License-Identifier: BSL-1.0
"""The weak hook panic_smp_self_stop over compilers, optimizations, link models and linkers.

A program parks a CPU and says which way it went; wrong definitions must be errors.

Of all combinations (cover.py), every two of a compiler, an optimization, a model, a linker and a case are together in a
cell, and every three that the link of a weak symbol hangs on: a compiler, its LTO and a linker; LTO, a linker and whether
the hook is in an archive. Every two of cases to which a linker does nothing that it does not do in another one, and of
objects that are only looked at.
"""

import itertools
import re
import shutil
import subprocess
import sys
from dataclasses import astuple, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import matrix  # noqa: E402
from cover import cover  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

OPTIMIZATIONS = {
    "O0": ("-O0",),
    "O2": ("-O2",),
    "O3": ("-O3",),
    "lto": ("-O2", "-flto"),
    "thinlto": ("-O2", "-flto=thin"),
}
# To a linker, -O3 makes what -O2 makes: its objects are looked at, and not linked.
LINKED = tuple(name for name in OPTIMIZATIONS if name != "O3")

# How the code is generated, how it is linked, with which file first. `kernel-low` is kernel code that can run here.
MODELS = {
    "pie": (("-fPIE",), ("-pie",), ()),
    "static": (("-fno-pie",), ("-static",), ()),
    "kernel-low": (("-fno-pie", "-mcmodel=kernel", "-mno-red-zone", "-fno-exceptions"), ("-static", "-nostdlib"),
                   ("start",)),
    "static-pie": (("-fPIE",), ("-static-pie",), ()),
}
LINKERS = ("bfd", "gold", "lld")

# A kernel's own address: can't run here, must link.
HIGH = {
    "bfd": "-Wl,-Ttext-segment=0xffffffff80000000",
    "gold": "-Wl,-Ttext=0xffffffff80001000",
    "lld": "-Wl,--image-base=0xffffffff80000000",
}

PARK = matrix.prints("park\n", 10)
OVERRIDE = matrix.prints("override\n", 11)
OVERRIDE_THEN_PARK = matrix.prints("override, then park\n", 10)
PLATFORM = matrix.prints("platform\n", 12)

NO_HOOK = matrix.fails_saying(r"undefined.*panic_smp_self_stop")
TWO_HOOKS = matrix.fails_saying(r"(multiple definition|multiply defined|duplicate symbol|already defined).*"
                                r"panic_smp_self_stop|symbol 'panic_smp_self_stop' defined in multiple places")

# Name: files that are linked, files in an archive, what the program does.
RUNS = {
    "no override": (("caller",), (), PARK),
    "no override, all symbols hidden": (("caller_hidden",), (), PARK),
    "override in another file": (("caller", "override"), (), OVERRIDE),
    "override in the same file": (("caller_overrides",), (), OVERRIDE),
    "override in an archive, not asked for": (("caller",), ("override",), PARK),
    "override in an archive, required": (("caller_requires",), ("override",), OVERRIDE),
    "override that returns": (("caller", "override_returns"), (), OVERRIDE_THEN_PARK),
    "the platform's own self_stop": (("caller_compile_time", "override"), (), PLATFORM),
    "a CPU that loses the gate": (("caller_loses",), (), PARK),
    "a CPU that loses the gate, override": (("caller_loses", "override"), (), OVERRIDE),
}

# A linker has the same to do as in another case: what differs is in the code.
OF_THE_CODE = {"override in the same file", "override that returns", "the platform's own self_stop",
               "a CPU that loses the gate", "a CPU that loses the gate, override"}

# Name: files that are linked, extra flags, why they must not link.
LINK_ERRORS = {
    "required and missing": (("caller_requires",), (), NO_HOOK),
    "required and missing, sections collected": (("caller_requires",), ("-Wl,--gc-sections",), NO_HOOK),
    "two overrides": (("caller", "override", "override_returns"), (), TWO_HOOKS),
}

# Definitions that the compiler must refuse, and how gcc or clang says so.
WRONG = {
    "returns int": ('extern "C" int panic_smp_self_stop() noexcept { return 0; }',
                    r"conflicting declaration of C function '(int|void) panic_smp|differ only in their return type"),
    "takes a parameter": ('extern "C" void panic_smp_self_stop(int) noexcept {}',
                          r"conflicting (declaration of C function|types for).*panic_smp_self_stop"),
    "without noexcept": ('extern "C" void panic_smp_self_stop() {}',
                         r"different exception specifier|exception specification"),
    "static": ("static void panic_smp_self_stop() noexcept {}",
               r"and later 'static'|with 'C' linkage|static declaration of 'panic_smp|unused function 'panic_smp"),
}
# Definitions of something else, which only a warning can tell from the hook.
UNSEEN = {
    "misspelt": 'extern "C" void panic_smp_selfstop() noexcept {}',
    'without extern "C"': "namespace kernel { void panic_smp_self_stop() noexcept {} }",
}
RIGHT = 'extern "C" void panic_smp_self_stop() noexcept {}'
HEADER = "#include <lastcpu/self_stop.hpp>"


@dataclass(frozen=True)
class Config:
    compiler: str
    optimization: str
    model: str
    linker: str

    def __str__(self) -> str:
        return f"{self.compiler} {self.optimization} {self.model} {self.linker}"

    @property
    def lto(self) -> bool:
        return "lto" in self.optimization

    @property
    def gcc(self) -> bool:
        return self.compiler.startswith("g++")

    @property
    def link_flags(self) -> tuple:
        return (*OPTIMIZATIONS[self.optimization], *MODELS[self.model][1], f"-fuse-ld={self.linker}")


# Cells that can't be, and why.
LEFT_OUT = (
    ("g++ has no ThinLTO", lambda c: c.gcc and c.optimization == "thinlto"),
    ("lld does not read g++'s LTO objects", lambda c: c.gcc and c.lto and c.linker == "lld"),
    ("clang's LTO is linked by lld: bfd and gold need a plugin", lambda c: not c.gcc and c.lto and c.linker != "lld"),
    ("gold knows no --no-dynamic-linker, so no -static-pie", lambda c: c.linker == "gold" and c.model == "static-pie"),
    ("gold is not installed (newer systems have none; Debian: binutils-gold)",
     lambda c: c.linker == "gold" and shutil.which("ld.gold") is None),
)


def reason_to_leave_out(config: Config):
    return next((reason for reason, applies in LEFT_OUT if applies(config)), None)


def configurations(found: list) -> tuple:
    kept, left_out = [], {}
    for config in itertools.starmap(Config, itertools.product(found, LINKED, MODELS, LINKERS)):
        reason = reason_to_leave_out(config)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept.append(config)
    return kept, left_out


def language(flags: tuple) -> tuple:
    return ("-std=c++20", *flags, *compilers.STRICT, "-I", str(compilers.INCLUDE))


def compile_command(compiler: str, flags: tuple, source: str, output: str) -> tuple:
    return (compiler, *language(flags), "-c", source, "-o", output)


def compile_step(compiler: str, optimization: str, model: str, source: str) -> Step:
    flags = MODELS[model][0] if source == "start" else (*OPTIMIZATIONS[optimization], *MODELS[model][0])
    output = file_name(source, compiler, *flags) + ".o"
    return Step(compile_command(compiler, flags, str(HERE / f"{source}.cpp"), output), matrix.silently, shared=True)


def object_of(step: Step) -> str:
    return step.command[-1]


def compile_steps(config: Config, sources: tuple) -> tuple:
    return tuple(compile_step(config.compiler, config.optimization, config.model, source) for source in sources)


def archive(config: Config, members: tuple) -> tuple:
    """(steps, what to link with). lld's --start-lib treats clang's LTO objects as an archive does, and needs no ar
    that knows them."""
    if config.lto and not config.gcc:
        return (), ("-Wl,--start-lib", *members, "-Wl,--end-lib")
    program = "gcc-ar" if config.lto else "ar"
    name = "lib" + members[0].removesuffix(".o") + ".a"
    return (Step((program, "rcs", name, *members), shared=True),), (name,)


def link_steps(config: Config, sources: tuple, archived: tuple, flags: tuple, output: str, check) -> tuple:
    objects = compile_steps(config, (*MODELS[config.model][2], *sources))
    members = compile_steps(config, archived)
    archive_steps, library = archive(config, tuple(map(object_of, members))) if members else ((), ())
    command = (config.compiler, *config.link_flags, *map(object_of, objects), *library, *flags, "-o", output)
    return (*objects, *members, *archive_steps, Step(command, check))


def run_step(program: str, expected) -> Step:
    return Step((f"./{program}",), expected, seconds=10)


def program_cell(config: Config, case: str) -> Cell:
    program = file_name(str(config), case)
    if case in RUNS:
        sources, archived, expected = RUNS[case]
        steps = link_steps(config, sources, archived, (), program, matrix.succeeds)
        return Cell(f"{config}: {case}", (*steps, run_step(program, expected)), program)
    sources, flags, reason = LINK_ERRORS[case]
    return Cell(f"{config}: {case}", link_steps(config, sources, (), flags, program, reason))


COMPILER, OPTIMIZATION, _, LINKER, CASE = range(5)  # the columns of a cell of a program
OF_A_WEAK_SYMBOL = ((COMPILER, OPTIMIZATION, LINKER), (OPTIMIZATION, LINKER, CASE))


def program_cells(configs: list) -> list:
    def rows(cases):
        return [(*astuple(config), case) for config in configs for case in cases]

    of_the_linker = [case for case in (*RUNS, *LINK_ERRORS) if case not in OF_THE_CODE]
    return [program_cell(Config(*words), case)
            for *words, case in cover(rows(of_the_linker), columns=OF_A_WEAK_SYMBOL) + cover(rows(sorted(OF_THE_CODE)))]


def symbols_of(output: str) -> tuple:
    """nm takes thirty times as long."""
    return "readelf", "-sW", output


def symbols_in(text: str) -> list:
    """[(value, bind, section, name)] of the functions and of what is undefined"""
    return re.findall(r"^ *\d+: (\w+) +\w+ +\w+ +(GLOBAL|WEAK) +\w+ +(\w+) (\S+)$", text, re.MULTILINE)


def linked_high(overridden: bool):
    """The program stands at a kernel's address, and so does the hook if there is one."""

    def check(result):
        wrong = matrix.succeeds(result)
        if wrong:
            return wrong
        high = {name for value, _, section, name in symbols_in(result.text) if value.startswith("ffffffff8") and section != "UND"}
        if "main" not in high:
            return "main is not at a kernel's address"
        if ("panic_smp_self_stop" in high) != overridden:
            return f"readelf {'does not show' if overridden else 'shows'} the hook"
        return None

    return check


def high_cells(found: list) -> list:
    """Kernel code at a kernel's address, without a C library: link only."""
    cells = []
    sources_of = {"caller": ("caller",), "override": ("caller", "override")}
    rows = [(*astuple(config), sources)
            for config in itertools.starmap(Config, itertools.product(found, ("O0", "O2"), ("kernel-low",), LINKERS))
            for sources in sources_of if not reason_to_leave_out(config)]
    for *words, last in cover(rows, 3):
        config = Config(*words)
        program = file_name(config.compiler, config.optimization, "high", config.linker, last)
        steps = link_steps(config, sources_of[last], (), (HIGH[config.linker],), program, matrix.succeeds)
        look = Step(symbols_of(program), linked_high(last == "override"))
        cells.append(Cell(f"{config.compiler} {config.optimization} kernel-high {config.linker}: {last}, link only",
                          (*steps, look), program))
    return cells


def symbol_is(expected: str):
    """The hook in the object: w is weak and undefined, U strong and undefined, T strong and defined; or it is not there."""

    def check(result):
        wrong = matrix.succeeds(result)
        letters = [("w" if bind == "WEAK" else "U") if section == "UND" else ("W" if bind == "WEAK" else "T")
                   for _, bind, section, name in symbols_in(result.text) if name == "panic_smp_self_stop"]
        if wrong or letters == list(expected):
            return wrong
        return f"expected panic_smp_self_stop as {expected or 'nothing'}, readelf shows {letters or 'nothing'}"

    return check


OBJECTS = {
    "caller": "w",
    "caller_overrides": "T",
    "caller_requires": "U",
    "caller_compile_time": "",
    "override": "T",
}


def object_cells(found: list) -> list:
    cells = []
    models = [model for model in MODELS if model != "static-pie"]  # it has the objects of pie
    rows = [*itertools.product(found, ("O0", "O2", "O3"), models, OBJECTS)]
    for compiler, optimization, model, source in cover(rows):
        made = compile_step(compiler, optimization, model, source)
        look = Step(symbols_of(object_of(made)), symbol_is(OBJECTS[source]))
        cells.append(Cell(f"{compiler} {optimization} {model}: {source}.o", (made, look)))
    return cells


def definition_cells(found: list, directory: Path) -> list:
    cells = []
    for compiler in found:
        cells.append(definition_cell(directory, compiler, "right", (HEADER, RIGHT), matrix.silently))
        for name, (text, reason) in WRONG.items():
            check = matrix.fails_saying(f"error: .*({reason})")
            cells.append(definition_cell(directory, compiler, f"{name}, behind the header", (HEADER, text), check))
            cells.append(definition_cell(directory, compiler, f"{name}, before the header", (text, HEADER), check))
        for name, text in UNSEEN.items():
            check = matrix.fails_saying("error: no previous (declaration|prototype)")
            cells.append(definition_cell(directory, compiler, name, (HEADER, text), check))
    return cells


def definition_cell(directory: Path, compiler: str, name: str, lines: tuple, check) -> Cell:
    source = directory / (file_name("definition", name) + ".cpp")
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    seen_by = "-Wmissing-declarations" if compiler.startswith("g++") else "-Wmissing-prototypes"
    flags = () if name.endswith("the header") else (seen_by,)
    command = (compiler, *language(flags), "-fsyntax-only", source.name)
    return Cell(f"{compiler}: definition {name}", (Step(command, check),))


def major_version(*command: str) -> int:
    found = re.search(r"\d+", subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return int(found.group()) if found else 0


def old_linkers(found: list) -> list:
    """An lld reads the LTO objects of clangs that are not newer than itself; clang looks beside itself first."""
    complaints = []
    for compiler in (c for c in found if c.startswith("clang")):
        linker = subprocess.run((compiler, "-print-prog-name=ld.lld"), stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
        needed = major_version(compiler, "-dumpversion")
        if shutil.which(linker) and major_version(linker, "--version") < needed:
            complaints.append(f"{compiler} finds only {linker}, which is too old for its LTO objects; "
                              f"next: apt-get install lld-{needed}")
    return complaints


def all_cells(found: list, directory: Path) -> tuple:
    kept, left_out = configurations(found)
    cells = definition_cells(found, directory) + object_cells(found) + high_cells(found) + program_cells(kept)
    return cells, left_out


def main() -> int:
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang))
    missing += compilers.require({"ld.bfd": "binutils", "ld.lld": "lld", "ar": "binutils", "readelf": "binutils"})
    missing += old_linkers(found)
    cells, left_out = all_cells(found, directory)
    print(f"{', '.join(found)}: {len(cells)} cells")
    for reason, count in left_out.items():
        print(f"left out: {reason} ({count} combinations)")
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
