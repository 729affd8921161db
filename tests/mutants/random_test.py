#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What tools/mutate --random draws from, and in which order: on a header of the test's own."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "lib"))

from mutation import draw, operators, programs  # noqa: E402

HEADER = """\
#pragma once
#if 5 > 4
enum class order { relaxed, acquire, release, acq_rel };
enum class phase { open, trial, final };
static_assert(sizeof(int) == 4, "7");
struct alignas(64) word {
  int load(order o) const;
  void store(int v, order o);
};
template <class T>
struct gate {
  [[nodiscard]] bool claim(int me) {
    if (me < 8 && w.load(order::acquire) == 0) {
      w.store(me, order::release);
      held = phase::trial;
    }
    for (int i = 0; i < 2; ++i) say("3 times");
    return true;
  }
  [[noreturn]] void halt() {
    for (;;) say("9");
  }
  void say(const char*);
  word w;
  phase held;
};
#endif
"""


def damages_of(text):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "gate.hpp").write_text(text, encoding="utf-8")
        return operators.Header(root, "gate.hpp", operators.parsed(root, ["gate.hpp"], ["-std=c++20", "-x", "c++"])).damages()


def seen(damages, operator):
    return {(d.old, d.new) for d in damages if d.operator == operator}


class Operators(unittest.TestCase):
    damages = damages_of(HEADER)

    def test_each_finds_its_places_in_a_template(self):
        self.assertEqual(seen(self.damages, "order"), {("acquire", "relaxed"), ("release", "relaxed")})
        self.assertIn(("me < 8", "!(me < 8)"), seen(self.damages, "negate"))
        self.assertIn(("&&", "||"), seen(self.damages, "negate"))
        self.assertIn(("i < 2", "!(i < 2)"), seen(self.damages, "negate"))
        self.assertLessEqual({("<", "<="), ("8", "9"), ("8", "7"), ("0", "1")}, seen(self.damages, "off_by_one"))
        self.assertLessEqual({("true", "false"), ("8", "0"), ("2", "4")}, seen(self.damages, "constant"))
        self.assertEqual(seen(self.damages, "enumerator"), {("trial", "open"), ("trial", "final")})
        self.assertIn(("w.store(me, order::release);", ";"), seen(self.damages, "drop"))
        self.assertIn(('say("3 times");', ";"), seen(self.damages, "drop"))
        self.assertEqual(seen(self.damages, "early_return"), {("", "return {}; ")})
        swapped = [d for d in self.damages if d.operator == "swap" and d.old.startswith("w.store")]
        self.assertEqual(len(swapped), 1)
        self.assertLess(swapped[0].new.index("held ="), swapped[0].new.index("w.store"))

    def test_alignments_assertions_directives_and_texts_are_left_alone(self):
        for line in (2, 5, 6):
            self.assertEqual([d for d in self.damages if d.line == line], [])
        self.assertFalse([d for d in self.damages if d.old in ("3", "9", "7")])

    def test_nobody_comes_back_from_what_does_not_return(self):
        self.assertFalse([d for d in self.damages if d.function == "halt" and d.operator == "early_return"])

    def test_each_says_what_stands_at_its_place(self):
        for d in self.damages:
            self.assertEqual(HEADER.encode()[d.start:d.end].decode(), d.old)
            self.assertNotEqual(d.old, d.new)
        self.assertEqual(len({d.id for d in self.damages}), len(self.damages))


class Draw(unittest.TestCase):
    def test_same_seed_draws_the_same_and_another_one_does_not(self):
        ids = lambda seed: [d.id for d in draw.in_drawn_order(Operators.damages, seed)]
        self.assertEqual(ids(1), ids(1))
        self.assertNotEqual(ids(1), ids(2))
        self.assertEqual(sorted(ids(1)), sorted(d.id for d in Operators.damages))

    def test_operators_take_turns(self):
        first = draw.in_drawn_order(Operators.damages, 1)[:len(operators.OPERATORS)]
        self.assertEqual([d.operator for d in first], list(operators.OPERATORS))

    def test_change_elsewhere_in_the_file_leaves_the_ids_as_they_are(self):
        longer = damages_of(HEADER.replace("#pragma once\n", "#pragma once\n// one line more\n\n"))
        self.assertEqual({d.id for d in longer}, {d.id for d in Operators.damages})


class Programs(unittest.TestCase):
    folders = programs.programs_by_folder(ROOT)

    def damage(self, file, operator="drop"):
        return operators.Damage("0", file, 1, operator, "-", 0, 0, "", "", "")

    def names(self, file, operator="drop", quick=False):
        return [t.name for t in programs.tests_for(self.damage(file, operator), self.folders, quick)]

    def test_of_the_same_name_come_first(self):
        self.assertEqual(self.names("include/lastcpu/stop_cpus.hpp")[0], "stop_cpus_test")
        self.assertEqual(self.names("include/lastcpu/platform/x86_64/lapic.hpp")[0], "x86_64_lapic_test")
        self.assertEqual(self.names("include/lastcpu/platform/posix/futex.hpp")[0], "posix_futex_test")

    def test_of_the_model_come_behind_the_unit_tests_that_fit(self):
        self.assertEqual(self.names("include/lastcpu/panic_cpu.hpp", "order")[:3],
                         ["panic_cpu_test", "gate_orders_test", "gate_steps_test"])

    def test_every_header_has_one_that_fits_and_the_rest_behind_it(self):
        for area in programs.AREAS:
            for header in programs.headers_of(ROOT, area):
                quick, every = self.names(header, quick=True), self.names(header)
                self.assertTrue(quick, header)
                self.assertEqual([n for n in every if n in quick], quick, header)
                self.assertEqual(len(set(every)), len(every), header)

    def test_tables_name_programs_that_there_are(self):
        known = {p for folder in self.folders.values() for p in folder} | set(programs.CTEST) | {"nmi_step", "storm_test"}
        named = [n for names in programs.FITTING.values() for n in names]
        named += [n for names in programs.REST.values() for n in names if n != "|" and not n.endswith("/*")]
        self.assertEqual({n for n in named if n.split("/")[-1] not in known}, set())

    def test_each_area_has_its_headers_and_no_header_two(self):
        every = [h for area in programs.AREAS for h in programs.headers_of(ROOT, area)]
        self.assertEqual(len(set(every)), len(every))
        on_disk = {str(p.relative_to(ROOT)) for p in (ROOT / "include/lastcpu").rglob("*.hpp")
                   if p.parent.name != "c"}  # these don't compile without a kernel's configuration
        self.assertEqual(set(every), on_disk)


if __name__ == "__main__":
    unittest.main()
