# SPDX-License-Identifier: BSL-1.0
"""Every header that a kernel may include, alone and together, compiled as a kernel compiles and looked at with readelf.

No C++ header, no undefined symbol but the weak hook, no global constructor, no thread-local storage, the machine's
object in .bss. What is not x86-64's own, for other machines as well: there, a compiler calls its library for more.
Each header also behind a kernel's macros, which must be there afterwards, and by an older C++, which must be told so.

Of the combinations (cover.py), every two values are together in a cell: a program and an optimization, a compiler and a
code model. On the other machines every three: each compiler for each machine at each optimization, for what is called there
depends on all of them. A header alone is nothing but templates that nobody has instantiated: it has one cell.
"""

import itertools
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402
import kernel_macros  # noqa: E402
import matrix  # noqa: E402
from compilers import INCLUDE  # noqa: E402
from cover import cover  # noqa: E402
from machines import CORTEX_M0_PLUS, MACHINES  # noqa: E402
from matrix import Cell, Step, file_name  # noqa: E402

OPTIMIZATIONS = ("-O0", "-O2", "-Os", "-O3")
OPTIMIZATIONS_ELSEWHERE = ("-O2", "-Os")
FLAGS_ELSEWHERE = (*compilers.FREESTANDING, "-fno-pic", *compilers.STRICT)
FLAGS = (*compilers.KERNEL, "-fno-pic", *compilers.STRICT)
CODE_MODELS = ("kernel", "small")  # a compiler may call a function in one and not in the other
FURTHER_COMPILERS = tuple(f"g++-{v}" for v in range(12, 20)) + tuple(f"clang++-{v}" for v in range(14, 24))

# Headers for a hosted implementation.
HOSTED = re.compile(r"lastcpu/(platform/posix|process/|model/)")
ALLOWED_INCLUDE = re.compile(r"(<(stdint\.h|stddef\.h|lastcpu/[\w/]+\.hpp|lastcpu/c/\w+\.h)>|\"?lastcpu_config\.h\"|LASTCPU_CONFIG)$")
# What needs a kernel to link with: together, as c_instance.cpp.
OF_THE_INSTANCE = re.compile(r"lastcpu/c/")

HOOK = "w panic_smp_self_stop"
KERNEL = ["w lastcpu_kernel_flush", "w lastcpu_kernel_hardware_id", "w lastcpu_kernel_make_resettable",
          "w lastcpu_kernel_now", "U lastcpu_kernel_park", "U lastcpu_kernel_put", "w lastcpu_kernel_restart",
          "U lastcpu_kernel_send_stop", "w lastcpu_kernel_send_stop_to_all", "U lastcpu_kernel_this_cpu",
          "w lastcpu_kernel_ticks_per_second"]
KERNEL_WITH_CRASH_LOADER = ["U lastcpu_kernel_from_x86_64", "w lastcpu_kernel_in_vmx_operation", "w lastcpu_kernel_io_apic",
                            "U lastcpu_kernel_local_apic", "U lastcpu_kernel_to_x86_64"]
KERNEL_WITH_IMAGE = ["U lastcpu_kernel_crash_shutdown", "U lastcpu_kernel_image_intact", "U lastcpu_kernel_jump",
                     "w lastcpu_kernel_save_note"]
# Name: what may be undefined.
PROGRAMS = {
    "whole": [HOOK],
    "whole_options": [],
    "whole_large": [HOOK],
    "whole_x86_64": [HOOK],
    "whole_kexec": [],
    "whole_defaults": ["U kernel_ask", "U kernel_cpu", "U kernel_park", "U kernel_put", HOOK],
    "c_instance": [*KERNEL, HOOK],
    "c_image_instance": sorted([*KERNEL, *KERNEL_WITH_IMAGE, HOOK], key=lambda line: line.split()[1]),
    "c_crash_instance": [*sorted([*KERNEL, *KERNEL_WITH_CRASH_LOADER], key=lambda line: line.split()[1]), HOOK],
    "whole_locked": [HOOK],
}
# Between them they have all that the other programs of the core have: one in C++, with everything large, and one in C, with
# everything small.
PROGRAMS_ELSEWHERE = ("whole_large", "c_image_instance")
KNOWN_TO_PLATFORMS = {"atomic", "cpu", "online_cpus", "platform"}
PROGRAMS_OF_64_BITS_ELSEWHERE = ("whole_kexec",)


def headers() -> list:
    names = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
    return [name for name in names if not HOSTED.match(name)]


def c_headers() -> list:
    return sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.h"))


def wrong_includes(header: str) -> list:
    """What the header includes and must not."""
    text = (INCLUDE / header).read_text(encoding="utf-8")
    named = re.findall(r"^\s*#\s*(?:include|include_next|import)\s*([^\s]+)", text, re.MULTILINE)
    return [name for name in named if not ALLOWED_INCLUDE.match(name) or HOSTED.match(name[1:-1])]


def include_complaints(names: list) -> list:
    return [f"{INCLUDE / name} includes {', '.join(wrong)}; next: leave it out, <stdint.h>, <stddef.h> and "
            f"<lastcpu/...> are all a kernel has" for name in names if (wrong := wrong_includes(name))]


def undefined_in(text: str) -> list:
    """What nm -u says: nm takes fifteen times as long as readelf."""
    found = re.findall(r"^ *\d+: \w+ +\w+ +\w+ +(WEAK|GLOBAL) +\w+ +UND (\S+)$", text, re.MULTILINE)
    return [f"{'w' if bind == 'WEAK' else 'U'} {name}" for bind, name in sorted(found, key=lambda pair: pair[1])]


def machine_is_zero(text: str) -> bool:
    """The object is in a section like .bss."""
    at = re.search(r" (\d+) (?:machine|_ZN7lastcpu1c\w+7machineE)$", text, re.MULTILINE)
    return at is not None and re.search(rf"^ *\[ *{at.group(1)}\] \S+ +NOBITS ", text, re.MULTILINE) is not None


def sections_that_need_a_runtime(text: str) -> list:
    found = re.findall(r"\] (\.(?:init_array|fini_array|preinit_array|ctors|dtors|init|fini|tdata|tbss|eh_frame_hdr|"
                       r"gcc_except_table)[\w.]*)", text)
    return sorted(set(found))


def look_step(output: str, allowed: list, has_machine: bool) -> Step:
    """Exactly these symbols undefined, no section that needs a runtime, and the machine in .bss if there is one."""

    def check(result):
        wrong = matrix.succeeds(result)
        if wrong:
            return wrong
        if not re.search(r"^ *\[ *\d+\] \.text", result.text, re.MULTILINE):
            return "readelf shows no .text"
        undefined, sections = undefined_in(result.text), sections_that_need_a_runtime(result.text)
        if undefined != allowed:
            return f"undefined: {', '.join(undefined) or 'nothing'}; allowed: {', '.join(allowed) or 'nothing'}"
        if sections:
            return f"has {', '.join(sections)}"
        return None if not has_machine or machine_is_zero(result.text) else "machine is not in .bss"

    return Step(("readelf", "-sSW", output), check)


def compile_step(command: tuple, optimization: str, source: str, output: str) -> Step:
    return Step((*command, optimization, "-I", str(INCLUDE), "-c", source, "-o", output), matrix.silently)


def output_name(*words: str) -> str:
    return file_name(*words) + ".o"


def source_of_header(directory: Path, header: str, how: str, before: str = "", behind: str = "") -> str:
    source = f"{how}_{header.removesuffix('.hpp').replace('/', '_')}.cpp"
    (directory / source).write_text(f"{before}#include <{header}>\n{behind}", encoding="utf-8")
    return source


def header_cells(found: list, directory: Path, names: list) -> list:
    """Each alone and behind a kernel's macros, the compilers and optimizations in turn: what a header lacks when it is alone,
    it lacks with each of them. A header of detail/ is none that a kernel includes: alone only."""
    cells = []
    turns = itertools.cycle(itertools.product(OPTIMIZATIONS, found))
    for header in names:
        if OF_THE_INSTANCE.match(header):
            continue
        optimization, compiler = next(turns)
        output = output_name(header, compiler, optimization)
        if "/detail/" in header:
            source = source_of_header(directory, header, "alone")
        else:
            source = source_of_header(directory, header, "macros", kernel_macros.definitions(), kernel_macros.still_there())
        cells.append(Cell(f"{header} {compiler} {optimization}",
                          (compile_step((compiler, *FLAGS, "-mcmodel=kernel"), optimization, source, output),
                           look_step(output, [], False))))
    return cells


def instance_cells(found: list, directory: Path) -> list:
    """The C interface's one object, where the kernel's configuration brings its macros along."""
    but = kernel_macros.IN_C_HEADERS
    (directory / "macros").mkdir(exist_ok=True)
    (directory / "macros/lastcpu_config.h").write_text(kernel_macros.definitions(but), encoding="utf-8")
    (directory / "macros/instance.cpp").write_text(
        f"#include <lastcpu/c/instance.hpp>\n{kernel_macros.still_there(but)}", encoding="utf-8")
    return [Cell(f"lastcpu/c/instance.hpp {compiler} macros {size}",
                 (Step((compiler, *FLAGS, "-mcmodel=kernel", "-I", "macros", f"-DLASTCPU_BAREBONES={size}", "-I", str(INCLUDE),
                        "-fsyntax-only", "macros/instance.cpp"), matrix.silently),))
            for compiler, size in itertools.product(found, (0, 1))]


REFUSAL = re.compile(r'"?lastcpu needs C\+\+20"?$')


def errors_in(text: str) -> list:
    """[(the error, the files that include its place)]"""
    found, stack = [], []
    for line in text.splitlines():
        if included := re.match(r"(In file included| {16,}) from (\S+?):\d+", line):
            stack = [included.group(2)] if line.startswith("In") else [*stack, included.group(2)]
        elif "error:" in line:
            found.append((line, stack))
    return found


def each_refuses(public: list):
    """Of the errors that a header leads to, the first is that it needs C++20."""

    def check(result):
        first = {}
        for error, files in errors_in(result.text):
            for file in files:
                first.setdefault(file, error)
        for header in (str(INCLUDE / name) for name in public):
            error = first.get(header, "no error")
            if not REFUSAL.search(error):
                return f"{header} begins with: {error[:200]}; next: let it include <lastcpu/detail/begin.hpp> first"
        return None

    return check


def refuses(result):
    errors = errors_in(result.text)
    return None if errors and REFUSAL.search(errors[0][0]) else f"begins with: {(errors or [('no error',)])[0][0][:200]}"


def older_cells(found: list, directory: Path) -> list:
    """What each header says to a compiler of C++17: the preprocessor gets as far as that, and through all of them."""
    public = [path.relative_to(INCLUDE).as_posix() for path in sorted(INCLUDE.rglob("*.hpp"))
              if "detail" not in path.parts]
    (directory / "older.cpp").write_text("".join(f"#include <{name}>\n" for name in public), encoding="utf-8")
    older = ("-std=c++17", "-I", str(INCLUDE))
    return [Cell(f"every header {found[0]} as C++17",
                 (Step((found[0], *older, "-E", "older.cpp", "-o", "older.i"), each_refuses(public)),)),
            *(Cell(f"lastcpu/lastcpu.hpp {compiler} as C++17",
                   (Step((compiler, *older, "-fsyntax-only", "-x", "c++", "-include", "lastcpu/lastcpu.hpp", "/dev/null"),
                         refuses),)) for compiler in found)]


def program_cell(command: tuple, optimization: str, name: str, *words: str) -> Cell:
    output = output_name(name, *words)
    made = compile_step(command, optimization, str(HERE / f"{name}.cpp"), output)
    return Cell(f"{name}.cpp {' '.join(words)}", (made, look_step(output, PROGRAMS[name], True)))


def program_cells(found: list) -> list:
    programs = [name for name in PROGRAMS if name != "c_image_instance"]  # c_crash_instance has an image, too
    rows = cover([*itertools.product(programs, found, OPTIMIZATIONS, CODE_MODELS)])
    return [program_cell((compiler, *FLAGS, f"-mcmodel={model}"), optimization, name, compiler, optimization, model)
            for name, compiler, optimization, model in rows]


def cells_elsewhere(clang: str) -> list:
    cells = []
    every = itertools.product(MACHINES, ("gcc", "clang"), OPTIMIZATIONS_ELSEWHERE,
                              PROGRAMS_ELSEWHERE + PROGRAMS_OF_64_BITS_ELSEWHERE)
    rows = [row for row in every
            if row[3] not in PROGRAMS_OF_64_BITS_ELSEWHERE or row[0].name in ("aarch64", "riscv64")]
    for machine, kind, optimization, name in cover(rows, 3):
        compiler, command = machine.compilers([clang])[kind == "clang"]
        cells.append(program_cell((*command, *FLAGS_ELSEWHERE), optimization, name, machine.name, compiler, optimization))
    # The one machine without compare-exchange: what a port's own atomic is for.
    for (compiler, command), optimization in itertools.product(CORTEX_M0_PLUS.compilers([clang]), OPTIMIZATIONS_ELSEWHERE):
        cells.append(program_cell((*command, *FLAGS_ELSEWHERE), optimization, "whole_locked", CORTEX_M0_PLUS.name, compiler,
                                  optimization))
    return cells


def platform_complaints() -> list:
    """A platform is told what it must know: it includes no primitive, be it hosted or not."""
    out = []
    for path in sorted(INCLUDE.glob("lastcpu/platform/**/*.hpp")):
        named = re.findall(r"include <lastcpu/([a-z_0-9]+)\.hpp>", path.read_text(encoding="utf-8"))
        out += [f"{path} includes <lastcpu/{name}.hpp>; next: take what it needs of it as an argument, or stand above both"
                for name in named if name not in KNOWN_TO_PLATFORMS]
    return out


def main() -> int:
    directory, new_clang = compilers.from_command_line(__doc__)
    found, missing = compilers.find(("g++", "clang++", new_clang), FURTHER_COMPILERS)
    missing += compilers.require({"readelf": "binutils"} |
                                 {machine.gcc[0]: machine.package for machine in MACHINES})
    names = headers()
    missing += kernel_macros.complaints(INCLUDE)
    missing += platform_complaints()
    missing += include_complaints(names + c_headers()) + ([] if names else [f"no header below {INCLUDE}"])
    cells = program_cells(found) + header_cells(found, directory, names) + cells_elsewhere(new_clang) + older_cells(found, directory)
    cells += instance_cells(found, directory)
    print(f"{', '.join(found)}; {len(names)} headers; {', '.join(m.name for m in MACHINES)}: {len(cells)} cells")
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
