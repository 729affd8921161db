# SPDX-License-Identifier: BSL-1.0
"""What the entry stubs tell a debugger, at each instruction, is what the instructions before it have done to the stack.

The machine code alone says where each register of the interrupted code lies: its pushes and pops are followed here, and
compared with the .cfi rows that readelf decodes. And the directives change no byte of the code.
"""
import itertools
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[2] / "include"
CPP = """#include <lastcpu/platform/x86_64/entry.hpp>
LASTCPU_X86_ENTRY(plain_entry, on_entry);
LASTCPU_X86_ENTRY_WITH_ERROR_CODE(error_entry, on_entry);
LASTCPU_X86_NMI_ENTRY(nmi_entry, on_entry);
#ifdef KERNEL
void on_entry(lastcpu::x86::registers* r) noexcept { r->rax = 0; }
#endif
"""
C = """#include <lastcpu/c/x86_64_entry.h>
LASTCPU_X86_64_NMI_ENTRY(nmi_entry, on_entry);
void on_entry(struct lastcpu_x86_64_frame *r);
#ifdef KERNEL
void on_entry(struct lastcpu_x86_64_frame *r) { (void)r; }
#endif
"""
ASSEMBLY = """#include <lastcpu/c/x86_64_entry.h>
#ifdef KERNEL
.cfi_sections .debug_frame
#endif
LASTCPU_X86_64_NMI_ENTRY(nmi_entry, on_entry)
"""


@dataclass(frozen=True)
class Language:
    """How its stubs are written, and how many bytes the CPU has pushed where each begins."""
    suffix: str
    source: str
    flags: tuple
    pushed: dict


LANGUAGES = (Language(".cpp", CPP, ("-std=c++20", "-fno-exceptions"),
                      {"plain_entry": 40, "error_entry": 48, "nmi_entry": 40}),
             Language(".c", C, ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"), {"nmi_entry": 40}),
             Language(".S", ASSEMBLY, (), {"nmi_entry": 40}))
PRESERVED = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{n}" for n in range(8, 16)))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def compiled(compiler, language, directory, name, *flags):
    source = directory / f"stubs{language.suffix}"
    output = directory / f"{compiler}{language.suffix}_{name}.o"
    source.write_text(language.source, encoding="utf-8")
    run(compiler, "-x", {".cpp": "c++", ".c": "c", ".S": "assembler-with-cpp"}[language.suffix], "-O2", *language.flags,
        *flags, "-I", str(INCLUDE), "-c", str(source), "-o", str(output))
    return output


def instructions(output, stub):
    """[(offset, mnemonic, operands)]"""
    text = run("objdump", "-d", "--no-show-raw-insn", "-M", "suffix", "-j", f".text.{stub}", str(output))
    found = re.findall(r"^ +([0-9a-f]+):\s+(\S+)(?:[ \t]+([^#<\n]*))?", text, re.MULTILINE)
    return [(int(at, 16), what, (operands or "").strip()) for at, what, operands in found]


def followed(output, stub, pushed):
    """{offset: (depth below the frame's top, {register: its place below the top})} before each instruction."""
    depth, saved, out = pushed, {}, {}
    for at, what, operands in instructions(output, stub):
        out[at] = depth, dict(saved)
        register = operands.removeprefix("%")
        if what in ("pushq", "push"):
            depth += 8
            if register in PRESERVED and register not in saved:
                saved[register] = depth
        elif what in ("popq", "pop"):
            if saved.get(register) == depth:
                saved[register] = "s"  # the interrupted code's own again
            depth -= 8
        elif what == "popfq":
            depth -= 8
        elif what in ("subq", "sub", "addq", "add") and operands.endswith(",%rsp"):
            amount = int(operands[1:].split(",")[0], 16)
            depth += amount if what.startswith("sub") else -amount
    return out


def told(output, functions):
    """{stub: [(offset, base register, offset of the frame's top from it, {register: place below the top}, rip's)]}"""
    text = run("readelf", "--debug-dump=frames-interp", str(output))
    blocks = re.split(r"\n(?=[0-9a-f]{8} )", text)
    rows = [re.search(r"LOC +CFA +(.*)\n((?:[0-9a-f]{16} .*\n?)+)", b) for b in blocks if " FDE " in b]
    out = {}
    for stub, found in zip(functions, [r for r in rows if r]):
        names = found[1].split()
        out[stub] = []
        for line in found[2].splitlines():
            at, top, *places = line.split()
            base, offset = top.split("+")
            known = {n: -int(p[1:]) if p.startswith("c-") else p for n, p in zip(names, places) if p != "u"}
            out[stub].append((int(at, 16), base, int(offset), known))
    return out


def differences(output, pushed):
    tables = told(output, tuple(pushed))
    for stub in pushed:
        rows = tables.get(stub, [])
        if not rows:
            yield f"{stub}: nothing is told"
            continue
        record = None  # how deep the frame record lies that rbp points at
        for at, (depth, saved) in followed(output, stub, pushed[stub]).items():
            _, base, offset, places = [r for r in rows if r[0] <= at][-1]
            if base == "rbp" and record is None:
                record = depth
            if offset != (record if base == "rbp" else depth):
                yield f"{stub}+{at:#x}: the frame begins at {base}+{offset}, and the stack is {depth} deep"
            if {n: p for n, p in places.items() if n in PRESERVED} != saved:
                yield f"{stub}+{at:#x}: told {places}, saved {saved}"
            if places.get("ra") != 40 or places.get("rsp") != 16:
                yield f"{stub}+{at:#x}: rip and rsp of the interrupted code are not where the CPU pushes them"
        if not any(base == "rbp" for _, base, _, _ in rows):
            yield f"{stub}: the handler's frames are not told from rbp"


def bytes_of(output, stubs):
    return run("objdump", "-s", *(a for stub in stubs for a in ("-j", f".text.{stub}")), str(output)
               ).split("\n", 3)[3]


def are_signal_frames(output):
    found = re.findall(r'Augmentation: +"([^"]*)"', run("readelf", "--debug-dump=frames", str(output)))
    return bool(found) and all("S" in augmentation for augmentation in found)


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    results = []

    def check(what, problems):
        results.append(not problems)
        if problems:
            print(f"FAILED: {what}:", *problems[:5], sep="\n  ")

    for compiler, language in itertools.product(sys.argv[2:], LANGUAGES):
        who = f"{compiler} {language.suffix}"
        told_here = compiled(compiler, language, directory, "told", "-fasynchronous-unwind-tables")
        silent = compiled(compiler, language, directory, "silent", "-U__GCC_HAVE_DWARF2_CFI_ASM")
        check(f"{who}: each row", list(differences(told_here, language.pushed)))
        same = bytes_of(told_here, language.pushed) == bytes_of(silent, language.pushed)
        check(f"{who}: the bytes of the code", [] if same else ["differ"])
        check(f"{who}: the frames are a signal's", [] if are_signal_frames(told_here) else ["they are not"])
        kernel = compiled(compiler, language, directory, "debug", "-DKERNEL", "-g", "-ffreestanding",
                          "-fno-asynchronous-unwind-tables")
        sections = run("readelf", "-SW", str(kernel))
        check(f"{who}: a kernel with -g and without .eh_frame keeps it so",
              ["there is an .eh_frame"] if ".eh_frame" in sections else [])
        check(f"{who}: a kernel with -g has the frames", [] if ".debug_frame" in sections else ["it has none"])
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
