// SPDX-License-Identifier: BSL-1.0
// A text that breaks off, in each of the three contexts: its part is kept, and the note says so.
#include "noting.hpp"

namespace cut_short_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

// The moments of a panic at which its text is written but not marked as whole: nested in one that has its text already,
// where the owner also looks for an oops that came first; and in NMI, where nobody looks for one.
constexpr uint32_t before_the_nested_mark = 9;
constexpr uint32_t before_the_owners_nested_mark = before_the_nested_mark + 1;
constexpr uint32_t before_the_nmi_mark = 5;

struct cut_short : noted {
  void stops_at(cpu_id cpu, uint32_t moment) {
    m.inject(cpu, moment, [this] { domain.handle_nmi(stopped); });
  }
  [[nodiscard]] static note loser(std::string text, std::string in_nmi_text, std::string nested_text, bool cut,
                                  uintptr_t pc = crash.pc, stop_state how = stop_state::parked) {
    return {1, how, false, pc, std::move(text), std::move(in_nmi_text), std::move(nested_text), cut};
  }
};

TEST_F(cut_short, text_in_nmi_is_kept_as_far_as_it_was_written) {
  load();
  m.when("0 sends irq", [&] {
    stops_at(1, before_the_nmi_mark);
    EXPECT_EQ(nmi_panic_on(1, "cut"), ending::parked);
    EXPECT_EQ(domain.messages().state(1, nmi), message_state::writing);
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], loser("", "cut", "", true, stopped.pc, stop_state::by_nmi));
}

TEST_F(cut_short, nested_text_is_kept_as_far_as_it_was_written) {
  load();
  m.when("0 reports outer", [&] { EXPECT_EQ(panic_on(1, "first"), ending::waiting); });
  m.when("0 sends irq", [&] {
    EXPECT_EQ(m.interrupt(1,
                          [&] {
                            stops_at(1, before_the_nested_mark);
                            domain.panic("cut", nullptr);
                          }),
              ending::parked);
    EXPECT_EQ(domain.messages().state(1, nested), message_state::writing);
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], loser("first", "", "cut", true));
}

TEST_F(cut_short, texts_that_are_whole_are_not_called_cut) {
  load();
  m.when("0 reports outer", [&] {
    EXPECT_EQ(panic_on(1, "first"), ending::waiting);
    EXPECT_EQ(m.interrupt(1, [&] { domain.nmi_panic("in nmi", in_nmi); }), ending::waiting);
    EXPECT_EQ(m.interrupt(1, [&] { domain.panic("nested", nullptr); }), ending::waiting);
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], loser("first", "in nmi", "nested", false));
}

TEST_F(cut_short, text_that_is_finished_while_its_note_is_made_is_whole_or_called_cut) {
  bool cut = false, whole = false;
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    notes.clear();
    domain_of<noting, fake_policy> d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    fake_atomic<uint32_t> never;
    machine.inject(1, before_the_mark, [&] { (void)fake_platform::wait_while(never, 0u, no_deadline); });
    ASSERT_EQ(machine.as(1, [&] { d.panic("late", &crash); }), ending::waiting);
    machine.when("0 begins notes", [&] { machine.inject(0, n, [&] { (void)machine.resume(1); }); });
    ASSERT_EQ(machine.as(0, [&] { d.panic("outer", &crash); }), ending::jumped);
    ASSERT_EQ(notes.size(), 4u);
    EXPECT_EQ(notes[1].message, notes[1].cut_short ? "(being written)" : "late") << n;
    (notes[1].cut_short ? cut : whole) = true;
  });
  EXPECT_TRUE(cut && whole);
}

// --- On the owner a fault breaks a text off; its part stands in the owner's own note.

TEST_F(cut_short, owners_nested_text_is_kept_when_a_fault_comes_in_its_middle) {
  load();
  m.when("0 reports outer", [&] {
    m.inject(0, before_the_owners_nested_mark, [&] { domain.panic("third", nullptr); });
    domain.panic("second", nullptr);
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[0], (note{0, stop_state::running, true, crash.pc, "outer", "", "second", true}));
}

TEST_F(cut_short, owners_first_text_is_kept_when_a_fault_comes_in_its_middle) {
  load();
  m.inject(0, before_the_mark, [&] { domain.panic("second", &stopped); });
  EXPECT_EQ(panic_on(0, "first"), ending::jumped);
  EXPECT_EQ(m.count("0 reports first"), 1) << "the owner may read its own part";
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[0], (note{0, stop_state::running, true, crash.pc, "first", "", "second", true}));
}

TEST_F(cut_short, owners_text_in_nmi_is_kept_when_a_fault_comes_in_its_middle) {
  load();
  m.inject(0, before_the_nmi_mark, [&] { domain.panic("second", &stopped); });
  EXPECT_EQ(nmi_panic_on(0, "first"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[0], (note{0, stop_state::running, true, stopped.pc, "", "first", "second", true}));
}

}  // namespace
}  // namespace cut_short_test
