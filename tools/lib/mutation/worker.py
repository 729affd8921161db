# SPDX-License-Identifier: BSL-1.0
"""Does one damage in a copy of the tree, and finds the test that notices."""
import hashlib

from . import programs
from .tree import HANGS, WORK, Tree, digest_of, timed


class Worker:
    """One copy of the tree and what its undamaged programs are. `known` is shared: {test: seconds that it takes}."""

    def __init__(self, name, known, lock, folders):
        self.tree, self.known, self.lock, self.folders = Tree(name, jobs=1), known, lock, folders
        self.undamaged = {}

    def build(self, test):
        self.tree.configure(test.preset, ("-DLASTCPU_WARNINGS_AS_ERRORS=OFF", *programs.PRESETS[test.preset]))
        return not test.targets or self.tree.build(test.preset, test.targets)

    def digest(self, test):
        return digest_of(self.tree.find(test.preset, f) for f in test.files)

    def passes(self, test, seconds=None):
        """None when it does, else what failed."""
        command = test.command or programs.command_for(self.tree.find(test.preset, test.files[0]))
        if test.preset == "tsan":
            command = ["setarch", "-R", *command]
        limit = None if seconds is None else 10 + 5 * seconds
        free = test.preset == "tsan" or test.name in programs.CTEST
        status = self.tree.run(list(command), self.tree.run_log, limit, free)
        if status == 0:
            return None
        return f"{test.name} (hangs)" if status == HANGS else f"{self.tree.failed_test() or 'a test'} in {test.name}"

    def build_undamaged(self, test):
        if test.name not in self.undamaged:
            if not self.build(test):
                raise SystemExit(f"{test.name} does not build without damage; see {self.tree.build_log}")
            self.undamaged[test.name] = self.digest(test)

    def see_undamaged(self, test):
        """Builds it without damage, and sees it pass once: a test that fails anyway kills nothing."""
        self.build_undamaged(test)
        with self.lock:
            if test.name in self.known:
                return
        why, seconds = timed(lambda: self.passes(test))
        if why is not None:
            raise SystemExit(f"{why} fails without any damage; see {self.tree.run_log} and mend that first")
        with self.lock:
            self.known[test.name] = seconds

    def notices(self, test):
        """What fails with the damage done, or None."""
        why = self.passes(test, self.known[test.name])
        if why is not None and programs.is_unsteady(test):
            why = self.passes(test, self.known[test.name])
        return why

    def try_damage(self, d, tried, quick):
        """(verdict, by what, tests tried): killed, survived, or stillborn when it does not compile."""
        path = self.tree.path / d.file
        original = path.read_bytes()
        if hashlib.sha256(original).hexdigest()[:16] != d.code:
            raise SystemExit(f"{d.file} has changed while damages were tried; start again")
        damaged = original[:d.start] + d.new.encode() + original[d.end:]
        tried, has_run = list(tried), False
        try:
            for test in programs.tests_for(d, self.folders, quick):
                if test.name in tried:
                    continue
                path.write_bytes(original)
                self.see_undamaged(test)
                path.write_bytes(damaged)
                if not self.build(test):
                    self.need_a_diagnosis()
                    return ("killed" if has_run else "stillborn"), f"the build of {test.name}", tried
                if not test.files or self.digest(test) != self.undamaged[test.name]:
                    has_run = True
                    why = self.notices(test)
                    if why is not None:
                        return "killed", why, tried
                tried.append(test.name)
            return "survived", self.says_the_machine_code(d, original, damaged) if not quick else None, tried
        finally:
            path.write_bytes(original)

    def need_a_diagnosis(self):
        """A build that fails for another reason than the code says nothing of the damage."""
        if " error: " not in self.tree.build_log.read_text(encoding="utf-8", errors="replace"):
            raise SystemExit(f"a build failed, and not for an error in the code; see {self.tree.build_log}")

    def says_the_machine_code(self, d, original, damaged):
        """Of an order on the one machine that a port is for: whether all that the port has comes out the same."""
        if d.operator != "order" or programs.area_of(d.file) not in ("kexec", "x86_64"):
            return None
        path, objects = self.tree.path / d.file, {}
        for text in (original, damaged):
            path.write_bytes(text)
            objects[text] = [self.object_of(compiler, level) for compiler in ("g++", "clang++")
                             for level in ("-O0", "-O2", "-Os", "-O3")]
        differs = [a != b for a, b in zip(objects[original], objects[damaged])]
        if (differs[0] or differs[4]) and not any(differs[1:4] + differs[5:]):
            return "the optimized machine code of all that the port has is the same with gcc and clang"
        return None

    def object_of(self, compiler, level):
        out = WORK / f"{self.tree.path.name}.o"
        command = [compiler, *programs.WHOLE_X86_64, level, "-o", str(out)]
        if self.tree.run(command, self.tree.build_log) != 0:
            raise SystemExit(f"{' '.join(command)} failed; see {self.tree.build_log}")
        return digest_of([out])
