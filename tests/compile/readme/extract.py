# SPDX-License-Identifier: BSL-1.0
"""Writes the code block of a Markdown file whose fence reads ```cpp TAG to a file: extract.py FILE TAG OUT [c].

TAG "-" is the first block without a tag; with "c" the fence reads ```c TAG. A block that is not there is an error: the document has changed.
"""
import pathlib
import re
import sys


def block_of(document, tag: str, language: str = "cpp") -> str:
    fence = r"^```" + language + ("" if tag == "-" else " " + re.escape(tag)) + r"\n(.*?)^```"
    match = re.search(fence, pathlib.Path(document).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if match is None:
        sys.exit(f"{document} has no code block ```{language} {'' if tag == '-' else tag}: mend the document or tests/compile/readme")
    return match.group(1)


if __name__ == "__main__":
    source, tag, out, *language = sys.argv[1:5]
    pathlib.Path(out).write_text(block_of(source, tag, *language), encoding="utf-8")
