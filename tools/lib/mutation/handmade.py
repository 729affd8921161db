# SPDX-License-Identifier: BSL-1.0
"""The damages of tests/mutants, each in a file: the quick set, with the tests that must notice."""
import re
import time

from . import programs
from .tree import HANGS, ROOT, WORK, Tree

DEADLINE = 120  # seconds for one test program; what still runs then hangs


class Mutant:
    def __init__(self, path):
        self.name = path.stem
        text = path.read_text(encoding="utf-8")
        tests = re.search(r"^tests: *(.+)$", text, re.MULTILINE)
        pattern = r"^file: *(\S+)\n<<<<\n(.*?)^====\n(.*?)^>>>>$"
        self.edits = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
        if tests is None or not self.edits:
            raise SystemExit(f"{path}: a mutant needs a line 'tests: ...' and an edit 'file: ...' with <<<< ==== >>>>")
        self.tests = [t if "/" in t else f"gcc-release/{t}" for t in tests.group(1).split()]
        model = re.search(r"^model: *(.+)$", text, re.MULTILINE)
        if model is None and not all(t.endswith("_model") for t in self.tests):
            raise SystemExit(f"{path}: a mutant needs a line 'model: ...' unless its tests are model tests")
        self.model = self.tests if model is None else [f"gcc-release/{t}" for t in model.group(1).split()]
        self.not_for_model = model.group(1) if model is not None and model.group(1).startswith("none, for ") else None

    def damaged(self, read):
        """The new contents of each file it touches; `read` gives the old ones."""
        out = {}
        for file, old, new in self.edits:
            text = out.get(file) or read(file)
            if text.count(old) != 1:
                raise SystemExit(f"mutant {self.name}: its old text stands {text.count(old)} times in {file}, not "
                                 f"once; bring tests/mutants/{self.name}.mutant up to date with the code")
            out[file] = text.replace(old, new)
        return out


def read_all():
    return [Mutant(p) for p in sorted((ROOT / "tests" / "mutants").glob("*.mutant"))]


def check(mutants):
    """Which do not fit the code any more, as sentences."""
    wrong = []
    for m in mutants:
        try:
            m.damaged(lambda f: (ROOT / f).read_text(encoding="utf-8"))
        except SystemExit as why:
            wrong.append(str(why))
    return wrong


def failure(tree, test):
    """None when the program passes, else what failed."""
    preset, program = test.split("/")
    status = tree.run(programs.command_for(tree.find(preset, program)), tree.run_log, DEADLINE, free=preset == "tsan")
    if status == 0:
        return None
    return f"{test} (hangs)" if status == HANGS else f"{tree.failed_test() or test} in {test}"


def prepare(tree, mutants):
    """Builds the undamaged programs and sees them pass: a test that fails anyway kills nothing."""
    tests = sorted({t for m in mutants for t in m.tests})
    for preset in sorted({t.split("/")[0] for t in tests}):
        tree.configure(preset, ("-DLASTCPU_WARNINGS_AS_ERRORS=OFF",))
    for i, test in enumerate(tests, 1):
        print(f"[undamaged {i}/{len(tests)}] {test} ... ", end="", flush=True)
        if not tree.build(*in_preset(test)):
            raise SystemExit(f"does not build; see {tree.build_log}, and whether a mutant names a program that exists")
        why = failure(tree, test)
        if why is not None:
            raise SystemExit(f"fails without any damage ({why}); see {tree.run_log} and mend that first")
        print("passes", flush=True)


def in_preset(test):
    preset, program = test.split("/")
    return preset, [program]


def try_one(tree, mutant):
    """Killed by what, or None; a mutant that does not build proves nothing and is an error."""
    originals = {file: (tree.path / file).read_text(encoding="utf-8") for file, _, _ in mutant.edits}
    try:
        for file, text in mutant.damaged(lambda f: originals[f]).items():
            (tree.path / file).write_text(text, encoding="utf-8")
        for test in mutant.tests:
            if not tree.build(*in_preset(test)):
                return f"ERROR: it does not compile, see {tree.build_log.relative_to(ROOT)}"
            why = failure(tree, test)
            if why is not None:
                return why
        return None
    finally:
        for file, text in originals.items():
            (tree.path / file).write_text(text, encoding="utf-8")


def for_the_model(mutants):
    """Those that a model test must notice, each with its model tests; says why the others are left out."""
    for m in (m for m in mutants if m.not_for_model):
        print(f"not for the model: {m.name}: {m.not_for_model}")
    mutants = [m for m in mutants if not m.not_for_model]
    for m in mutants:
        m.tests = m.model
    return mutants


def try_all(mutants):
    WORK.mkdir(parents=True, exist_ok=True)
    tree, bad = Tree("tree"), []
    prepare(tree, mutants)
    for i, m in enumerate(mutants, 1):
        start = time.monotonic()
        print(f"[{i}/{len(mutants)}] {m.name} ... ", end="", flush=True)
        why = try_one(tree, m)
        if why is None or why.startswith("ERROR"):
            bad.append(m.name)
        verdict = "SURVIVED" if why is None else why if why.startswith("ERROR") else f"killed by {why}"
        print(f"{verdict}  ({time.monotonic() - start:.0f} s)", flush=True)
    if bad:
        print(f"Not killed: {', '.join(bad)}. Write the test that notices, then: tools/mutate {' '.join(bad)}")
    print(f"{len(mutants) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0
