# SPDX-License-Identifier: BSL-1.0
"""Every memory order in the headers names the one that it pairs with.

An operation with acquire, release or acq_rel carries a number in a comment on its line or right above it: `// (2)`. What a
number means stands once in the file: `(2) release: pairs with acquire (5)`. Its partner stands in the same file, has an
order that fits and names it back; of a word that the caller hands in the partner is the caller's.
"""

import re
import sys
from pathlib import Path

OPERATION = re.compile(r"order::(acquire|release|acq_rel|seq_cst)")
ASKED_FOR = re.compile(r"[!=]= order::\w+")  # a comparison, not an operation
MEANING = re.compile(r"(?:^|\. )\((\d+)\) (acquire|release|acq_rel)([^.:;]*): pairs with ([^.;]*)")
LABEL = re.compile(r"(?:^|\. )\((\d+)\)")
FITS = {"acquire": ("release", "acq_rel"), "release": ("acquire", "acq_rel"),
        "acq_rel": ("acquire", "release", "acq_rel")}
MAKES_NONE = ("detail/platform_check.hpp",)  # a concept asks whether there are such operations


def code_and_comment(line: str) -> tuple:
    code, _, comment = line.partition("//")
    return code.strip(), comment.lstrip("/").strip()


def comments_above(lines: list, at: int) -> str:
    first = at
    while first > 0 and lines[first - 1][0] == "" and lines[first - 1][1] != "":
        first -= 1
    return " ".join(comment for _, comment in lines[first:at])


def blocks(lines: list):
    """Each comment as one text: a whole block, or what stands behind code."""
    for at, (code, comment) in enumerate(lines):
        below_is_more = at + 1 < len(lines) and lines[at + 1][0] == "" and lines[at + 1][1] != ""
        if code != "" and comment != "":
            yield comment
        elif comment != "" and not below_is_more:
            yield comments_above(lines, at + 1)


def wrong_meanings(meanings: dict):
    for number, (kind, partners) in meanings.items():
        named = re.findall(r"\((\d+)\)", partners)
        if not named and "caller" not in partners:
            yield f"({number}) names no partner"
        for other in named:
            if other not in meanings:
                yield f"({number}) pairs with ({other}), which stands nowhere"
            elif number not in re.findall(r"\((\d+)\)", meanings[other][1]):
                yield f"({number}) pairs with ({other}), which does not name it"
            elif meanings[other][0] not in FITS[kind]:
                yield f"({number}) {kind} does not pair with ({other}) {meanings[other][0]}"


def wrong_in(text: str):
    lines = [code_and_comment(line) for line in text.splitlines()]
    meanings, used = {}, set()
    for block in blocks(lines):
        for number, kind, _, partners in MEANING.findall(block):
            if number in meanings:
                yield f"({number}) is explained twice"
            meanings[number] = (kind, partners)
    yield from wrong_meanings(meanings)
    for at, (code, comment) in enumerate(lines):
        orders = OPERATION.findall(ASKED_FOR.sub("", code))
        if not orders:
            continue
        labels = LABEL.findall(comment) or LABEL.findall(comments_above(lines, at))
        fitting = [n for n in labels if n in meanings and meanings[n][0] in orders]
        if not fitting:
            yield f"line {at + 1}: {' and '.join(orders)} has no number of that order"
        used.update(fitting)
    for number in meanings.keys() - used:
        yield f"({number}) stands at no operation"


def main() -> int:
    include = Path(sys.argv[1]) / "lastcpu"
    headers = sorted(h for h in include.rglob("*.hpp") if h.relative_to(include).as_posix() not in MAKES_NONE)
    wrong = [f"{h.relative_to(include)}: {why}" for h in headers for why in wrong_in(h.read_text(encoding="utf-8"))]
    print("".join(f"FAILED: {w}\n" for w in wrong) + f"{len(headers)} headers, {len(wrong)} wrong")
    return 1 if wrong or len(headers) < 30 else 0


sys.exit(main())
