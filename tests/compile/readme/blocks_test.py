# SPDX-License-Identifier: BSL-1.0
"""Every block of C++ in README.md and docs is compiled: lastcpu_add_document_example() names it."""
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def blocks():
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for tag in re.findall(r"^```(?:cpp|c\+\+)\b *(.*)$", document.read_text(encoding="utf-8"), re.MULTILINE):
            yield document.relative_to(ROOT).as_posix(), tag or "-"


def main():
    text = (HERE / "CMakeLists.txt").read_text(encoding="utf-8")
    compiled = set(re.findall(r"lastcpu_add_document_example\(\w+ (\S+) (\S+)\)", text))
    found = list(blocks())
    wrong = [block for block in found if block not in compiled or found.count(block) > 1]
    for document, tag in wrong:
        print(f"FAILED: {document}: nothing compiles the block ```cpp {tag}, or there are two of that name")
    print(f"{len(found)} blocks")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
