# SPDX-License-Identifier: BSL-1.0
"""c_test.py DIRECTORY CC...: the C interface, by C compilers and by C++ compilers, in several configurations.

A kernel in C (kernel.c, scenarios.c) is compiled as C99 and as C++20, linked with instance.cpp and run: each scenario
prints what expected/CONFIGURATION.expected says. Every two of a compiler, a language, a configuration and an optimization are together. Threads that panic at once print each text once. Every function of
lastcpu.h is called by a scenario.
"""
import functools
import itertools
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(TESTS / "compile/matrix"), str(TESTS / "compile/readme")]

from cover import cover  # noqa: E402
from extract import block_of  # noqa: E402

INCLUDE = HERE.parents[2] / "include"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
C99 = ("-std=c99", "-D_POSIX_C_SOURCE=200809L", *STRICT)
CXX20 = ("-x", "c++", "-std=c++20", *STRICT)
INSTANCE = ("-std=c++20", "-fno-exceptions", "-fno-rtti", *STRICT, "-Wconversion", "-Wshadow")
PARTNERS = {"gcc": "g++", "clang": "clang++", "clang-19": "clang++-19"}
RACES = 10
LINK = ("-pthread", *(("-fuse-ld=lld",) if shutil.which("ld.lld") else ()))  # in a third of the time
# What a kernel may choose wrongly, and what it is told.
WRONG_CHOICES = {
    ("-DLASTCPU_MAX_CPUS=0",): "LASTCPU_MAX_CPUS is 1 to",
    ("-DLASTCPU_MESSAGE_BYTES=15",): "LASTCPU_MESSAGE_BYTES is 0, or 16 and more",
    ("-DLASTCPU_CACHE_LINE=48",): "LASTCPU_CACHE_LINE is a power of two",
    ("-DLASTCPU_BAREBONES=1", "-DLASTCPU_IMAGE_BYTES=8"): "LASTCPU_BAREBONES starts no crash kernel",
    ("-DLASTCPU_BAREBONES=1", "-DLASTCPU_CRASH_LOADER=1"): "LASTCPU_BAREBONES starts no crash kernel",
    ("-DLASTCPU_CRASH_LOADER=1", "-DLASTCPU_IMAGE_BYTES=8"): "LASTCPU_CRASH_LOADER describes the crash kernel itself",
    ("-DLASTCPU_CRASH_LOADER=1", "-U__x86_64__", "-ffreestanding"): "LASTCPU_CRASH_LOADER is for x86-64",
    ("-DLASTCPU_BAREBONES=1", "-DLASTCPU_RESTART_DELAY_US=8"): "LASTCPU_BAREBONES has no clock",
    ("-DLASTCPU_REGISTERS=struct f",): "LASTCPU_REGISTERS without its size",
    ("-DLASTCPU_REGISTERS_BYTES=8",): "LASTCPU_REGISTERS_BYTES without LASTCPU_REGISTERS",
    ("-DLASTCPU_REGISTERS=struct f", "-DLASTCPU_REGISTERS_BYTES=8", "-DCHECK"): "lastcpu_registers_bytes_is",
}


def run(*command, timeout=60):
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout + done.stderr


@functools.cache
def compiled(compiler, flags, optimization, config, source, directory):
    language = "cpp" if "c++" in flags or "++" in compiler else "c"
    output = directory / f"{source}_{config}_{compiler}_{language}.o".replace("+", "x")
    suffix = ".cpp" if source == "instance" else ".c"
    status, said = run(compiler, *flags, optimization, "-I", INCLUDE, "-I", HERE / "configs" / config, "-c",
                       HERE / f"{source}{suffix}", "-o", output)
    if status != 0 or said:
        raise RuntimeError(f"{compiler} {' '.join(flags)} {source} {config}:\n{said}")
    return output


def linked(compiler, flags, config, sources, directory, optimization="-O1"):
    partner = PARTNERS[compiler]
    objects = [compiled(compiler, flags, optimization, config, source, directory) for source in sources]
    objects.append(compiled(partner, INSTANCE, optimization, config, "instance", directory))
    program = directory / f"{sources[0]}_{config}_{compiler}_{'cpp' if flags is CXX20 else 'c'}"
    status, said = run(partner, *objects, *LINK, "-o", program)
    if status != 0:
        raise RuntimeError(said)
    return program


def expected_of(config):
    """{scenario: what it prints}"""
    text = (HERE / "expected" / f"{config}.expected").read_text(encoding="utf-8")
    return dict(re.findall(r"^== (\w+)\n(.*?)(?=^== |\Z)", text, re.MULTILINE | re.DOTALL))


def scenarios_print_what_is_expected(program, config):
    wrong = []
    for scenario, text in expected_of(config).items():
        status, said = run(program, scenario)
        if status != 0 or said != text:
            wrong.append(f"{program} {scenario}: status {status}, printed\n{said}instead of\n{text}")
    return wrong


def each_thread_is_heard_once(program):
    wrong = []
    for _ in range(RACES):
        status, said = run(program)
        reports = re.findall(r"^lastcpu: CPU (\d) .*: text of \1$", said, re.MULTILINE)
        if status != 0 or said.count("words of") != 1 or sorted(reports) != ["0", "1", "2", "3"]:
            wrong.append(f"{program}: status {status}, printed\n{said}")
    return wrong


def functions_that_no_scenario_calls():
    declared = re.findall(r"\b(lastcpu_\w+)\(", (INCLUDE / "lastcpu/c/lastcpu.h").read_text(encoding="utf-8"))
    called = "".join((HERE / name).read_text(encoding="utf-8") for name in ("kernel.c", "scenarios.c", "capture.c"))
    return [name for name in dict.fromkeys(declared) if not re.search(rf"\b{name}\(", called)
            and not name.startswith("lastcpu_kernel_")]


def c_block(document, tag):
    return block_of(HERE.parents[2] / document, tag, "c")


def documents_compile(compiler, directory):
    """The C of README.md and docs/c.md, behind what a kernel has (documents.h)."""
    place = directory / f"documents_{compiler}"
    place.mkdir(exist_ok=True)
    (place / "lastcpu_config.h").write_text(c_block("docs/c.md", "config"), encoding="utf-8")
    documents = [("readme", "README.md", ("-",)), ("c_md", "docs/c.md", ("kernel", "calls"))]
    if platform.machine() == "x86_64":
        documents.append(("crash", "docs/c.md", ("kernel", "crash")))
    for name, document, tags in documents:
        parts = [c_block(document, tag) for tag in tags]
        (place / f"{name}.c").write_text('#include "documents.h"\n' + "".join(parts), encoding="utf-8")
        status, said = run(compiler, *C99, "-O1", f"-DLASTCPU_CRASH_LOADER={int(name == 'crash')}", "-I", INCLUDE, "-I", place,
                           "-I", HERE, "-c", place / f"{name}.c", "-o", place / f"{name}.o")
        if status != 0 or said:
            return [f"{compiler}: {document}:\n{said}"]
    return []


def wrong_choices_are_refused(compiler, directory):
    source = directory / "wrong.c"
    source.write_text("#include <lastcpu/c/lastcpu.h>\n#ifdef CHECK\nstruct f { uintptr_t words[3]; };\n"
                      "LASTCPU_CHECK_REGISTERS;\n#endif\n", encoding="utf-8")
    wrong = []
    for choice, sentence in WRONG_CHOICES.items():
        status, said = run(compiler, *C99, *choice, "-I", INCLUDE, "-fsyntax-only", source)
        if status == 0 or sentence not in said:
            wrong.append(f"{compiler} {' '.join(choice)}: not '{sentence}' but\n{said}")
    status, said = run(compiler, *C99, "-I", INCLUDE, "-fsyntax-only", source)
    return wrong if status == 0 else [*wrong, said]


def an_instance_without_a_configuration_is_refused(compiler, directory):
    """It would link with a kernel that has one, and save other registers."""
    empty = directory / "empty"
    empty.mkdir(exist_ok=True)
    (empty / "lastcpu_config.h").write_text("", encoding="utf-8")
    command = (PARTNERS[compiler], *INSTANCE, "-I", INCLUDE, "-fsyntax-only", HERE / "instance.cpp")
    status, said = run(*command)
    wrong = [] if status != 0 and "sees no lastcpu_config.h" in said else [f"{compiler}: no configuration:\n{said}"]
    status, said = run(*command, "-I", empty)
    return wrong if status == 0 else [*wrong, f"{compiler}: an empty configuration:\n{said}"]


def cells(compilers, directory):
    configs = sorted(path.stem for path in (HERE / "expected").glob("*.expected"))
    for compiler, flags, config, optimization in cover([*itertools.product(compilers, (C99, CXX20), configs, ("-O1", "-O0"))]):
        yield lambda c=compiler, f=flags, k=config, o=optimization: scenarios_print_what_is_expected(
            linked(c, f, k, ("kernel", "scenarios"), directory, o), k)
    for compiler in compilers:
        yield lambda c=compiler: each_thread_is_heard_once(linked(c, (*C99, "-pthread"), "threads", ("threads",), directory))
        yield lambda c=compiler: documents_compile(c, directory)
        yield lambda c=compiler: wrong_choices_are_refused(c, directory)
        yield lambda c=compiler: an_instance_without_a_configuration_is_refused(c, directory)
        yield lambda c=compiler: ends_well(linked(c, C99, "capture", ("capture",), directory))
        yield lambda c=compiler: ends_well(linked(c, C99, "threads", ("linux_names",), directory))
        yield lambda c=compiler: ends_well(linked(c, CXX20, "threads", ("linux_names",), directory))


def ends_well(program):
    status, said = run(program)
    return [] if status == 0 else [f"{program}: status {status}\n{said}"]


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    wrong = [f"no scenario calls {name}()" for name in functions_that_no_scenario_calls()]
    passed = 0
    for cell in cells(sys.argv[2:], directory):
        try:
            found = cell()
        except RuntimeError as error:
            found = [str(error)]
        passed += not found
        wrong += found
    for what in wrong:
        print(f"FAILED: {what}")
    print(f"{passed} passed, {len(wrong)} failed")
    return 0 if passed and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
