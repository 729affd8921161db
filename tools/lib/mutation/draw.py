# SPDX-License-Identifier: BSL-1.0
"""Which damages there are, in which order a seed draws them, and which of them no test can notice."""
import functools
import hashlib
import itertools
import re

from . import operators, programs
from .tree import ROOT

EQUIVALENT = ROOT / "tests" / "mutants" / "equivalent.txt"
FLAGS = ["-std=c++20", "-x", "c++", f"-I{ROOT}/include"]


def is_for_tsan(path):
    return path.endswith("posix/tsan.hpp")


@functools.cache
def unit_of_all(for_tsan):
    """Always with all headers, so that what is found in one does not hang on which others are asked for."""
    paths = [path for area in programs.AREAS for path in programs.headers_of(ROOT, area) if is_for_tsan(path) == for_tsan]
    return operators.parsed(ROOT, paths, FLAGS + (["-fsanitize=thread"] if for_tsan else []))


def damages_of(path):
    return operators.Header(ROOT, path, unit_of_all(is_for_tsan(path))).damages()


def all_damages(area):
    return [d for path in programs.headers_of(ROOT, area) for d in damages_of(path)]


def in_drawn_order(damages, seed):
    """By seed and by what a damage is, so that a change elsewhere leaves the order as it was. Operators take turns."""
    rank = lambda d: hashlib.sha256(f"{seed}|{d.id}".encode()).hexdigest()
    by_operator = [sorted((d for d in damages if d.operator == o), key=rank) for o in operators.OPERATORS]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_operator))
    return [d for d in turns if d is not None]


def read_equivalent():
    """{id: (file, reason)}. A line begins with the id and the file; indented lines below say why no test can notice."""
    out, current = {}, None
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []:
        match = re.match(r"([0-9a-f]{10}) ([\w./]+)", line)
        if match:
            current = match.group(1)
            out[current] = (match.group(2), "")
        elif line.startswith("  ") and current:
            out[current] = (out[current][0], f"{out[current][1]} {line.strip()}".strip())
    return out


def check_equivalent():
    """What is wrong with the file of equivalent damages, as sentences."""
    listed = read_equivalent()
    known = {d.id for path in sorted({file for file, _ in listed.values()}) for d in damages_of(path)}
    wrong = [f"{name} damages nothing any more: take it out" for name in listed if name not in known]
    wrong += [f"{name} has no reason: say why no test can notice" for name, (_, why) in listed.items() if not why]
    return [f"tests/mutants/equivalent.txt: {w}" for w in wrong]


def describe(d):
    short = lambda text: " ".join(text.split())[:70] or "(nothing)"
    return f"{d.file}:{d.line} ({d.function}) {d.operator}: {short(d.old)} -> {short(d.new)}  [{d.id}]"
