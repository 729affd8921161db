# SPDX-License-Identifier: BSL-1.0
"""Reads the listing of a linked program and says, for each way through a function, what it does to shared words and in
which order: one Access after the other. For the machines of tests/compile/matrix/machines.py."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """What one instruction does. A fence neither loads nor stores: it acquires for the loads before it, and releases
    for the stores behind it."""
    load: bool = False
    store: bool = False
    exclusive: bool = False  # one half of an exchange, or all of it
    acquire: bool = False
    release: bool = False

    @property
    def fence(self) -> bool:
        return not self.load and not self.store


def riscv_access(name: str, operands: str):
    if name == "fence":
        before, _, after = (operands or "rw,rw").partition(",")
        return Access(acquire="r" in before and {"r", "w"} <= set(after),
                      release={"r", "w"} <= set(before) and "w" in after)
    if found := re.fullmatch(r"(lr|sc|amo\w+)\.[wd](\.aq|\.rl|\.aqrl|)", name):
        # The manual promises nothing of an lr that only releases, nor of an sc that only acquires.
        load, store = found.group(1) != "sc", found.group(1) != "lr"
        return Access(load, store, True, load and "aq" in found.group(2), store and "rl" in found.group(2))
    if re.fullmatch(r"l[wd]u?", name):
        return Access(load=True)
    return Access(store=True) if re.fullmatch(r"s[wd]", name) else None


def arm_access(name: str, operands: str):
    if name == "dmb":
        return Access(acquire="st" not in operands, release="st" not in operands and "ld" not in operands)
    if found := re.fullmatch(r"(?:cas|swp|ldadd)(a?l?)", name):
        return Access(True, True, True, "a" in found.group(1), "l" in found.group(1))
    if re.fullmatch(r"ldr|ldar|lda|ldxr|ldaxr|ldrex|ldaex", name):
        return Access(load=True, exclusive="x" in name, acquire=name.startswith("lda"))
    if re.fullmatch(r"str|stlr|stl|stxr|stlxr|strex|stlex", name):
        return Access(store=True, exclusive="x" in name, release=name.startswith("stl"))
    return None


def x86_access(name: str, operands: str):
    if name == "lock" or (name == "xchg" and "(" in operands):
        return Access(True, True, True, True, True)
    if name == "mov" and "(" in operands:  # every load acquires, every store releases
        load = not operands.endswith(")")
        return Access(load, not load, False, load, not load)
    return None


@dataclass(frozen=True)
class Language:
    """How a listing is read: regular expressions for an instruction's name, or for name and operands."""
    access: object
    jump: str
    branch: str  # goes elsewhere, or on
    call: str
    end: str  # back to the caller
    perhaps_end: str
    stack: str  # in the operands of what is no shared word
    suffix: str = "$"  # of a name, says nothing


CONDITION = "(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
NEVER = r"(?!)"
RISCV = Language(riscv_access, "j", "b(eq|ne|lt|ge|gt|le)u?z?", "jal", "ret", NEVER, r"\(sp\)")
X86 = Language(x86_access, "jmp", r"j(?!mp)\w+", "call", "ret", NEVER, r"%e[sb]p")
ARM = Language(arm_access, "b", rf"b\.?{CONDITION}|cbn?z|tbn?z", "bl", r"ret|bx lr|pop \{.*pc\}|ldr pc, \[sp\].*",
               rf"bx{CONDITION} lr|pop{CONDITION} .*pc\}}|ldr{CONDITION} pc, .*", r"\[(sp|fp|r7)[],]", r"\.[nw]$")
LANGUAGES = {"aarch64": ARM, "riscv64": RISCV, "riscv32": RISCV, "i686": X86, "armv7": ARM, "Cortex-M33": ARM,
             "Cortex-M23": ARM}


@dataclass(frozen=True)
class Instruction:
    name: str
    operands: str
    next_at: int

    @property
    def target(self) -> int:
        return int(re.search(r"([0-9a-f]+) <", self.operands).group(1), 16)


def read(listing: str, language: Language) -> tuple:
    """({function: address}, {address: Instruction}), of what `objdump -d --no-show-raw-insn` says."""
    functions = {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]+) <(\w+)>:$", listing, re.MULTILINE)}
    found = re.findall(r"^ +([0-9a-f]+):\t(\S+)[ \t]*(.*)$", listing, re.MULTILINE)
    nexts = [int(at, 16) for at, _, _ in found[1:]] + [0]
    return functions, {int(at, 16): Instruction(re.sub(language.suffix, "", name),
                                                re.split(r"(?:^|\s+)(?://|[@#;]) ", operands)[0].strip(), after)
                       for (at, name, operands), after in zip(found, nexts)}


def ways(code: dict, start: int, language: Language):
    """Each way from a function's first instruction to its end, as a list of Access; no edge is taken a third time."""
    begun = [(start, (), (), {})]  # where, who has called, what was done, {branch: how often it was taken}
    while begun:
        at, callers, done, taken = begun.pop()
        while True:
            i = code[at]
            whole = f"{i.name} {i.operands}".strip()
            if re.fullmatch(language.perhaps_end, whole) and not callers:
                yield done
            if re.fullmatch(language.end, whole):
                if not callers:
                    yield done
                    break
                *callers, at = callers
                continue
            if re.fullmatch(f"{language.jump}|{language.branch}", i.name):
                if taken.get(at, 0) < 2:
                    begun.append((i.target, tuple(callers), done, {**taken, at: taken.get(at, 0) + 1}))
                if re.fullmatch(language.jump, i.name):
                    break
            elif re.fullmatch(language.call, i.name):
                callers, at = (*callers, i.next_at), i.target
                continue
            elif (access := language.access(i.name, i.operands)) and not re.search(language.stack, i.operands):
                done = (*done, access)
            at = i.next_at
