# SPDX-License-Identifier: BSL-1.0
"""Every header that a kernel may include, alone and together, compiled as a kernel compiles and looked at with nm.

No C++ header, no undefined symbol but the weak hook, no global constructor, no thread-local storage, the machine's
object in .bss. What is not x86-64's own, for other machines as well: there, a compiler calls its library for more.
Each header also behind a kernel's macros, which must be there afterwards, and by an older C++, which must be told so.
"""

import itertools
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "hook"))

import kernel_macros  # noqa: E402
import matrix  # noqa: E402: it lives with the other group
from machines import MACHINES  # noqa: E402
from matrix import Cell, Step  # noqa: E402

OPTIMIZATIONS = ("-O0", "-O2", "-Os", "-O3")
OPTIMIZATIONS_ELSEWHERE = ("-O2", "-Os")
FLAGS_ELSEWHERE = ("-std=c++20", "-ffreestanding", "-nostdinc++", "-fno-exceptions", "-fno-rtti",
                   "-fno-threadsafe-statics", "-fno-pic", *matrix.STRICT)
FLAGS = (*FLAGS_ELSEWHERE, "-mno-red-zone", "-mgeneral-regs-only")
CODE_MODELS = ("kernel", "small")  # a compiler may call a function in one and not in the other
FURTHER_COMPILERS = tuple(f"g++-{v}" for v in range(12, 20)) + tuple(f"clang++-{v}" for v in range(14, 24))

# Headers for a hosted implementation.
HOSTED = re.compile(r"lastcpu/(platform/posix|model/)")
ALLOWED_INCLUDE = re.compile(r"<(stdint\.h|stddef\.h|lastcpu/[\w/]+\.hpp)>$")

HOOK = "w panic_smp_self_stop"
# Name: what may be undefined.
PROGRAMS = {
    "whole": [HOOK],
    "whole_options": [],
    "whole_large": [HOOK],
    "whole_x86_64": [HOOK],
    "whole_kexec": [],
    "explicit_instantiation": [HOOK],
}
PROGRAMS_ELSEWHERE = ("whole", "whole_large")
PROGRAMS_OF_64_BITS_ELSEWHERE = ("whole_kexec",)


def headers() -> list:
    names = sorted(path.relative_to(matrix.INCLUDE).as_posix() for path in matrix.INCLUDE.rglob("*.hpp"))
    return [name for name in names if not HOSTED.match(name)]


def wrong_includes(header: str) -> list:
    """What the header includes and must not."""
    text = (matrix.INCLUDE / header).read_text(encoding="utf-8")
    named = re.findall(r"^\s*#\s*(?:include|include_next|import)\s*([^\s]+)", text, re.MULTILINE)
    return [name for name in named if not ALLOWED_INCLUDE.match(name) or HOSTED.match(name[1:-1])]


def include_complaints(names: list) -> list:
    return [f"{matrix.INCLUDE / name} includes {', '.join(wrong)}; next: leave it out, <stdint.h>, <stddef.h> and "
            f"<lastcpu/...> are all a kernel has" for name in names if (wrong := wrong_includes(name))]


def undefined_symbols(allowed: list):
    """nm -u: exactly these."""

    def check(result):
        wrong = matrix.succeeds(result)
        symbols = [" ".join(line.split()) for line in result.text.splitlines() if line.strip()]
        if wrong or symbols == allowed:
            return wrong
        return f"undefined: {', '.join(symbols) or 'nothing'}; allowed: {', '.join(allowed) or 'nothing'}"

    return check


def no_section_that_needs_a_runtime(result):
    found = re.findall(r"\] (\.(?:init_array|fini_array|preinit_array|ctors|dtors|init|fini|tdata|tbss|eh_frame_hdr|"
                       r"gcc_except_table)[\w.]*)", result.text)
    return matrix.succeeds(result) or (f"has {', '.join(sorted(set(found)))}" if found else None)


def machine_is_zero(result):
    """nm: the object is in .bss."""
    return matrix.succeeds(result) or (None if re.search(r" [Bb] machine$", result.text, re.MULTILINE) else
                                       "machine is not in .bss")


def compile_step(compiler: str, optimization: str, source: str, output: str, code_model: str = "kernel") -> Step:
    command = (compiler, *FLAGS, f"-mcmodel={code_model}", optimization, "-I", str(matrix.INCLUDE), "-c", source, "-o", output)
    return Step(command, matrix.silently)


def output_name(compiler: str, optimization: str, source: str, code_model: str = "") -> str:
    return f"{Path(source).stem}_{compiler.replace('+', 'x')}{optimization}{code_model}.o"


def source_of_header(directory: Path, header: str, how: str, before: str = "", behind: str = "") -> str:
    source = f"{how}_{header.removesuffix('.hpp').replace('/', '_')}.cpp"
    (directory / source).write_text(f"{before}#include <{header}>\n{behind}", encoding="utf-8")
    return source


def header_cells(compilers: list, directory: Path, names: list) -> list:
    """Each alone, without optimisation behind a kernel's macros."""
    cells = []
    for header in names:
        is_public = "/detail/" not in header
        macros = (kernel_macros.definitions(), kernel_macros.still_there()) if is_public else ()
        sources = {OPTIMIZATIONS[0]: source_of_header(directory, header, "macros", *macros),
                   OPTIMIZATIONS[-1]: source_of_header(directory, header, "alone")}
        for compiler, (optimization, source) in itertools.product(compilers, sources.items()):
            output = output_name(compiler, optimization, source)
            cells.append(Cell(f"{header} {compiler} {optimization}",
                              (compile_step(compiler, optimization, source, output),
                               Step(("nm", "-u", output), undefined_symbols([])),
                               Step(("readelf", "-SW", output), no_section_that_needs_a_runtime))))
    return cells


def says_first(pattern: str):
    """The command fails, and the first of its errors is this one."""

    def check(result):
        if result.status == 0:
            return "compiles, and it must not"
        first = next((line for line in result.text.splitlines() if "error:" in line), "no error")
        return None if re.search(pattern, first) else f"begins with: {first[:200]}"

    return check


def older_cells(compilers: list) -> list:
    """What each header says to a compiler of C++17: the preprocessor gets as far as that."""
    public = [path.relative_to(matrix.INCLUDE).as_posix() for path in sorted(matrix.INCLUDE.rglob("*.hpp"))
              if "detail" not in path.parts]
    ways = [(compilers[0], "-E", header) for header in public]
    ways += [(compiler, "-fsyntax-only", "lastcpu/lastcpu.hpp") for compiler in compilers]
    return [Cell(f"{header} {compiler} as C++17",
                 (Step((compiler, "-std=c++17", how, "-x", "c++", "-I", str(matrix.INCLUDE), "-include", header, "/dev/null"),
                       says_first('"?lastcpu needs C\\+\\+20"?$')),)) for compiler, how, header in ways]


def looks_at(output: str, allowed: list) -> tuple:
    return (Step(("nm", "-u", output), undefined_symbols(allowed)),
            Step(("nm", output), machine_is_zero),
            Step(("readelf", "-SW", output), no_section_that_needs_a_runtime))


def program_cells(compilers: list) -> list:
    cells = []
    for (name, allowed), compiler, optimization, model in itertools.product(PROGRAMS.items(), compilers, OPTIMIZATIONS,
                                                                            CODE_MODELS):
        output = output_name(compiler, optimization, name, model)
        cells.append(Cell(f"{name}.cpp {compiler} {optimization} {model}",
                          (compile_step(compiler, optimization, str(HERE / f"{name}.cpp"), output, model),
                           *looks_at(output, allowed))))
    return cells


def cells_elsewhere(clang: str) -> list:
    cells = []
    programs = PROGRAMS_ELSEWHERE + PROGRAMS_OF_64_BITS_ELSEWHERE
    for machine, optimization, name in itertools.product(MACHINES, OPTIMIZATIONS_ELSEWHERE, programs):
        if name in PROGRAMS_OF_64_BITS_ELSEWHERE and machine.name not in ("aarch64", "riscv64"):
            continue
        for compiler, command in machine.compilers([clang]):
            output = output_name(compiler, optimization, name, f"-{machine.name}")
            made = Step((*command, *FLAGS_ELSEWHERE, optimization, "-I", str(matrix.INCLUDE), "-c",
                         str(HERE / f"{name}.cpp"), "-o", output), matrix.silently)
            cells.append(Cell(f"{name}.cpp {machine.name} {compiler} {optimization}",
                              (made, *looks_at(output, PROGRAMS[name]))))
    return cells


def main() -> int:
    directory, new_clang = matrix.from_command_line(__doc__)
    compilers, missing = matrix.find_compilers(("g++", "clang++", new_clang), FURTHER_COMPILERS)
    missing += matrix.require_programs({"nm": "binutils", "readelf": "binutils"} |
                                       {machine.gcc[0]: machine.package for machine in MACHINES})
    names = headers()
    missing += kernel_macros.complaints(matrix.INCLUDE)
    missing += include_complaints(names) + ([] if names else [f"no header below {matrix.INCLUDE}"])
    cells = program_cells(compilers) + header_cells(compilers, directory, names) + cells_elsewhere(new_clang)
    cells += older_cells(compilers)
    print(f"{', '.join(compilers)}; {len(names)} headers; {', '.join(m.name for m in MACHINES)}: {len(cells)} cells")
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
