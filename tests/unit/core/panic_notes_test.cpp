// SPDX-License-Identifier: BSL-1.0
// What the crash kernel is told, and what a policy changes.
#include "noting.hpp"

#include <functional>

namespace panic_notes_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct panic_notes : noted {};

TEST_F(panic_notes, tell_the_crashing_cpu_first_and_all_that_each_had_to_say) {
  load();
  m.when("2 reports outer", [&] {
    EXPECT_EQ(nmi_panic_on(0, "lost in nmi"), ending::waiting);
    domain.panic("inner", nullptr);
  });
  m.when("2 sends irq", [&] {
    m.inject(1, before_the_mark, [&] { domain.handle_stop_irq(stopped); });
    EXPECT_EQ(panic_on(1, "cut"), ending::parked);
  });
  EXPECT_EQ(panic_on(2, "outer"), ending::jumped);
  EXPECT_EQ(notes, (std::vector<note>{{2, stop_state::running, true, crash.pc, "outer", "", "inner", false},
                                      {0, stop_state::parked, false, in_nmi.pc, "", "lost in nmi", "", false},
                                      {1, stop_state::by_irq, false, crash.pc, "cut", "", "", true},
                                      {3, stop_state::silent, false, 0, "", "", "", false}}));
}

TEST_F(panic_notes, tell_when_the_owner_began_however_long_its_report_takes) {
  load();
  m.clock = 1000;
  m.when("2 reports outer", [&] { m.clock = 5000; });
  EXPECT_EQ(panic_on(2, "outer"), ending::jumped);
  EXPECT_GE(panic_ticks, 1000u);
  EXPECT_LT(panic_ticks, 5000u);
}

TEST_F(panic_notes, tell_when_an_oops_began_too) {
  load();
  m.clock = 1000;
  EXPECT_EQ(m.as(2, [&] { (void)domain.crash_kexec(&crash, "why"); }), ending::jumped);
  EXPECT_GE(panic_ticks, 1000u);
}

struct faulting_clock : noting {
  static inline std::function<void()> fault;
  static uint64_t now() noexcept {
    if (fault) fault();
    return noting::now();
  }
};
struct panic_notes_with_a_clock_that_faults : panicking<faulting_clock> {
  panic_notes_with_a_clock_that_faults() { notes.clear(); }
  ~panic_notes_with_a_clock_that_faults() override { faulting_clock::fault = nullptr; }
};

TEST_F(panic_notes_with_a_clock_that_faults, are_handed_over_all_the_same) {
  load();
  faulting_clock::fault = [&] { domain.panic("the clock", nullptr); };
  EXPECT_EQ(panic_on(2, "outer"), ending::jumped);
  ASSERT_FALSE(notes.empty());
  EXPECT_EQ(notes[0].message, "outer");
  EXPECT_EQ(panic_ticks, 0u);
}

TEST_F(panic_notes, tell_what_a_cpu_without_a_number_had_to_say) {
  load();
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(fake_platform::max_cpus, "who am I"), ending::waiting);
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 5u);
  EXPECT_EQ(notes[4], (note{no_cpu, stop_state::parked, false, crash.pc, "who am I", "", "", false}));
}

TEST_F(panic_notes, of_a_cpu_without_a_number_that_crashes_come_first_and_once) {
  load();
  EXPECT_EQ(panic_on(fake_platform::max_cpus, "who am I"), ending::jumped);
  ASSERT_EQ(notes.size(), 5u);
  EXPECT_EQ(notes[0], (note{no_cpu, stop_state::running, true, crash.pc, "who am I", "", "", false}));
  for (cpu_id i = 0; i < 4; ++i) EXPECT_EQ(notes[i + 1], (note{i, stop_state::silent, false, 0, "", "", "", false}));
}

TEST_F(panic_notes, show_no_half_written_text_of_a_cpu_that_may_still_be_writing) {
  load();
  m.inject(1, before_the_mark, [] { fake_platform::park(); });
  EXPECT_EQ(panic_on(1, "half"), ending::parked);
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], (note{1, stop_state::silent, false, 0, "(being written)", "", "", true}));
}

TEST_F(panic_notes, of_a_cpu_that_answers_too_late_have_no_registers_and_no_half_text) {
  load();
  m.when("0 begins notes", [&] {
    m.inject(1, before_the_mark, [&] { domain.handle_nmi(stopped); });
    EXPECT_EQ(panic_on(1, "half"), ending::parked);
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  m.cpu = 0;
  ASSERT_NE(domain.cpus().registers_of(1), nullptr) << "it has answered";
  EXPECT_FALSE(domain.cpus().report().registers_valid(1));
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], (note{1, stop_state::silent, false, 0, "(being written)", "", "", true}));
}

TEST_F(panic_notes, of_a_cpu_that_has_answered_are_whole_though_it_is_said_to_be_offline) {
  load();
  m.when("0 sends irq", [&] {
    m.as(2, [&] { domain.handle_stop_irq(stopped); });
    m.online[2] = false;
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[2], (note{2, stop_state::by_irq, false, stopped.pc, "", "", "", false}));
}

TEST_F(panic_notes, of_a_cpu_that_left_have_no_registers) {
  load();
  m.when("0 sends irq", [&] { m.online[2] = false; });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[2], (note{2, stop_state::gone, false, 0, "", "", "", false}));
}

TEST_F(panic_notes, are_of_the_cpus_below_the_limit_and_of_no_other) {
  load();
  EXPECT_EQ(panic_on(3, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  for (cpu_id i = 0; i < 4; ++i) EXPECT_EQ(notes[i].cpu, i == 0 ? 3 : i - 1);
}

TEST_F(panic_notes, of_a_cpu_without_a_number_are_left_out_where_it_said_nothing) {
  load();
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  for (const note& n : notes) EXPECT_NE(n.cpu, no_cpu);
}

TEST_F(panic_notes, pass_over_a_cpu_that_was_never_there) {
  load();
  m.online[3] = false;
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  EXPECT_EQ(m.lines_with({"notes 3"}).size(), 0u);
}

TEST_F(panic_notes, are_saved_before_the_machine_is_shut_down) {
  load();
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  EXPECT_LT(m.at("0 notes 3"), m.at("0 shuts down " + std::to_string(crash.pc)));
}

// --- Policies.

// Says why there is no crash kernel, and may fault while it does.
struct telling : fake_policy {
  static void no_crash_kernel(kexec_outcome why) noexcept {
    machine().say("has no crash kernel", static_cast<uint64_t>(why));
  }
  static std::string said(kexec_outcome why) {
    std::string line = "0 has no crash kernel ";
    return line += std::to_string(static_cast<int>(why));
  }
};
struct panic_telling : panicking<fake_platform, telling> {};

TEST_F(panic_telling, says_nothing_when_the_crash_kernel_starts) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"has no"}), lines{});
}

TEST_F(panic_telling, names_an_image_that_is_missing) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"has no"}), lines{telling::said(kexec_outcome::no_image)});
}

TEST_F(panic_telling, names_a_damaged_image_and_goes_on_to_the_restart) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"has no", "commits"}), (lines{"0 commits", telling::said(kexec_outcome::image_corrupt)}));
}

TEST_F(panic_telling, fault_while_it_names_the_image_goes_on_and_asks_no_second_time) {
  m.when(telling::said(kexec_outcome::no_image), [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.count(telling::said(kexec_outcome::no_image)), 1);
}

struct post_notifiers : telling {
  static constexpr bool crash_kexec_post_notifiers = true;
};
struct panic_post_notifiers : panicking<fake_platform, post_notifiers> {};

TEST_F(panic_post_notifiers, notifies_and_dumps_before_it_takes_the_image) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"reports", "commits", "sends", "notifies", "dumps", "checks", "jumps"}),
            (lines{"0 reports oh no", "0 commits", "0 sends irq", "0 sends nmi", "0 notifies", "0 dumps messages",
                   "0 checks image 7", "0 jumps to 7"}));
}

TEST_F(panic_post_notifiers, restarts_without_an_image) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"notifies", "dumps", "flushes", "restarts"}),
            (lines{"0 notifies", "0 dumps messages", "0 flushes", "0 restarts"}));
}

TEST_F(panic_post_notifiers, names_a_damaged_image_behind_the_notifiers) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"notifies", "has no"}), (lines{"0 notifies", telling::said(kexec_outcome::image_corrupt)}));
}

TEST_F(panic_post_notifiers, fault_in_the_notifiers_still_reaches_the_jump) {
  load();
  m.when("0 notifies", [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
}

TEST_F(panic_post_notifiers, fault_behind_the_late_claim_still_reaches_the_jump) {
  load();
  m.when("0 begins notes", [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.count("0 notifies"), 1);
}

}  // namespace
}  // namespace panic_notes_test
