# SPDX-License-Identifier: BSL-1.0
"""The macros of a hostile kernel: each breaks what it is expanded in, and must be there again behind a header."""

import re
from pathlib import Path

FUNCTION_LIKE = """
cli cpuid exchange fence fill halt hlt invlpg jump lfence lgdt lidt likely load ltr mfence now oops panic park pause rdmsr
rdtsc read restart round_up send set sti stop store this_cpu trace unlikely wait wake write wrmsr
""".split()
OBJECT_LIKE = """
bits bytes cpu image irq mask nmi noinline noreturn packed page page_bytes registers report step used word
""".split()


# What the C headers call a parameter or a member, as a C kernel sees it: there, the kernel's macro is welcome to it.
IN_C_HEADERS = ("cpu", "registers")


def definitions(but: tuple = ()) -> str:
    lines = [f"#define {name}(...) ) a macro of the kernel (" for name in FUNCTION_LIKE if name not in but]
    lines += [f"#define {name} ) a macro of the kernel (" for name in OBJECT_LIKE if name not in but]
    return "\n".join(lines) + "\n"


def still_there(but: tuple = ()) -> str:
    names = [name for name in FUNCTION_LIKE + OBJECT_LIKE if name not in but]
    lines = [f"#ifndef {name}\n#error {name} has not come back\n#endif" for name in names]
    return "\n".join(lines) + "\n"


def complaints(include: Path) -> list:
    """Each macro that detail/begin.hpp puts away must be tried here."""
    begin = (include / "lastcpu/detail/begin.hpp").read_text(encoding="utf-8")
    away = re.findall(r"^#undef ([a-z]\w*)$", begin, re.MULTILINE)
    untried = sorted(set(away) - set(FUNCTION_LIKE + OBJECT_LIKE))
    return [f"detail/begin.hpp puts away {name}; next: add it to tests/compile/freestanding/kernel_macros.py" for name in untried]
