# SPDX-License-Identifier: BSL-1.0
"""Writes the code block of a Markdown file whose fence reads ```cpp TAG to a file: extract.py FILE TAG OUT [c].

TAG "-" is the first block without a tag; with "c" the fence reads ```c TAG. A block that is not there is an error: the document has changed.
"""
import pathlib
import re
import sys

source, tag, out = sys.argv[1:4]
language = sys.argv[4] if len(sys.argv) > 4 else "cpp"
fence = r"^```" + language + ("" if tag == "-" else " " + re.escape(tag)) + r"\n(.*?)^```"
match = re.search(fence, pathlib.Path(source).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
if match is None:
    sys.exit(f"{source} has no code block ```{language} {'' if tag == '-' else tag}: mend the document or tests/compile/readme")
pathlib.Path(out).write_text(match.group(1), encoding="utf-8")
