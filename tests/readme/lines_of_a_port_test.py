# SPDX-License-Identifier: BSL-1.0
"""How many lines an author writes: those of the ports in docs/port.md, without empty ones and comments.

They are within their budget, and what the documents say of them is true.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT = "docs/port.md"
# Tag of the block: most lines, and what the documents say of it, `{}` for the number.
PORTS = {
    "x86_64": (25, {PORT: r"The first three are\s+(\d+) lines on x86-64",
                    "docs/figures.md": r"lines of a port to x86-64.*?\| (\d+);", "README.md": r"(\d+) lines on x86-64: docs/port.md"}),
    "x86_64_crash": (60, {PORT: r"machine checks and faults (\d+)\.",
                          "docs/figures.md": r"lines of a port to x86-64.*?\| \d+; (\d+)"}),
    "defaults": (25, {"docs/figures.md": r"lines of a port to another machine.*?\| (\d+) \|"}),
}


def text_of(document):
    return (ROOT / document).read_text(encoding="utf-8")


def lines_of(tag):
    block = re.search(rf"^```cpp {tag}\n(.*?)^```", text_of(PORT), re.MULTILINE | re.DOTALL)
    lines = block.group(1).splitlines() if block else []
    return sum(bool(line.strip()) and not line.lstrip().startswith("//") for line in lines)


def complaints(tag, most, said):
    lines = lines_of(tag)
    if not 0 < lines <= most:
        yield f"{PORT}: the block `cpp {tag}` has {lines} lines, the budget is {most}"
    for document, sentence in said.items():
        found = re.search(sentence, text_of(document))
        if found is None or int(found.group(1)) != lines:
            yield f"{document} says {found.group(1) if found else 'nothing'} of the {lines} lines of `cpp {tag}`: {sentence}"


def main():
    wrong = [c for tag, (most, said) in PORTS.items() for c in complaints(tag, most, said)]
    for what in wrong:
        print(f"FAILED: {what}")
    print(", ".join(f"{tag}: {lines_of(tag)} lines" for tag in PORTS))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
