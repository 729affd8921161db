# SPDX-License-Identifier: BSL-1.0
"""How many lines an author writes: those of the ports in docs/port.md and of what a dump takes, without empty ones and comments.

They are within their budget, and what the documents say of them is true.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PORT, DUMPS, FIGURES = "docs/port.md", "docs/kdump.md", "docs/figures.md"
# Tag of the block: most lines, and what the documents say of it, `{}` for the number.
PORTS = {
    "x86_64": (25, {PORT: r"The first three are\s+(\d+) lines on x86-64",
                    FIGURES: r"lines of a port to x86-64.*?\| (\d+);", "README.md": r"(\d+) lines on x86-64: docs/port.md"}),
    "x86_64_crash": (60, {PORT: r"machine checks and faults (\d+)\.",
                          FIGURES: r"lines of a port to x86-64.*?\| \d+; (\d+)"}),
    "defaults": (25, {FIGURES: r"lines of a port to another machine.*?\| (\d+) \|"}),
}


def text_of(document):
    return (ROOT / document).read_text(encoding="utf-8")


def block_of(tag, document=PORT):
    block = re.search(rf"^ *```{tag}\n(.*?)^ *```", text_of(document), re.MULTILINE | re.DOTALL)
    return block.group(1) if block else ""


def count(text):
    return sum(bool(line.strip()) and not line.lstrip().startswith("//") for line in text.splitlines())


def lines_of(tag):
    return count(block_of(f"cpp {tag}"))


def dump_lines():
    """(for a disk and Linux, for a serial line more)"""
    crash = block_of("cpp x86_64_crash")
    load = re.search(r"^const char\* load_crash_kernel.*?^}", crash, re.MULTILINE | re.DOTALL)
    include = re.search(r"^#include .*crash_loader.*$", crash, re.MULTILINE)
    facts = block_of("cpp x86_64_facts")
    parts = [count(text) for text in (facts, load.group() if load else "", include.group() if include else "",
                                      block_of("ld", DUMPS))]
    call, image, data_begin = 1, 2, 1  # of say_what_a_dump_shall_know(); symbols in the linker script
    return sum(parts) + call + image if all(parts) else 0, count(block_of("cpp small_core", DUMPS)) + data_begin


def complaints(tag, most, said):
    lines = lines_of(tag)
    if not 0 < lines <= most:
        yield f"{PORT}: the block `cpp {tag}` has {lines} lines, the budget is {most}"
    for document, sentence in said.items():
        found = re.search(sentence, text_of(document))
        if found is None or int(found.group(1)) != lines:
            yield f"{document} says {found.group(1) if found else 'nothing'} of the {lines} lines of `cpp {tag}`: {sentence}"


def complaints_of_dumps():
    both, more = dump_lines()
    if not 0 < both <= 40 or not 1 < more <= 10:
        yield f"a dump takes {both} lines, and over a serial line {more} more; the budget is 40 and 10"
    for document, sentence in ((DUMPS, rf"\| a disk, Linux \| {both} \|"), (DUMPS, rf"\| a serial line \| {more} more \|"),
                               (FIGURES, rf"lines for a dump:.*?\| 0; {both}; {more} more \|")):
        if not re.search(sentence, text_of(document)):
            yield f"{document} does not say of a dump's lines: {sentence}"


def main():
    wrong = [c for tag, (most, said) in PORTS.items() for c in complaints(tag, most, said)] + list(complaints_of_dumps())
    for what in wrong:
        print(f"FAILED: {what}")
    print(", ".join(f"{tag}: {lines_of(tag)} lines" for tag in PORTS) + ", a dump: {} lines, {} more".format(*dump_lines()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
