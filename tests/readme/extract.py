# SPDX-License-Identifier: BSL-1.0
"""Writes the code block of a Markdown file whose fence reads ```cpp TAG to a file: extract.py FILE TAG OUT.

TAG "-" is the first block without a tag. A block that is not there is an error: the document has changed.
"""
import pathlib
import re
import sys

source, tag, out = sys.argv[1:4]
fence = r"^```cpp" + ("" if tag == "-" else " " + re.escape(tag)) + r"\n(.*?)^```"
match = re.search(fence, pathlib.Path(source).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
if match is None:
    sys.exit(f"{source} has no code block ```cpp {'' if tag == '-' else tag}: mend the document or tests/readme")
pathlib.Path(out).write_text(match.group(1), encoding="utf-8")
