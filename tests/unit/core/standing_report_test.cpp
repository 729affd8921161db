// SPDX-License-Identifier: BSL-1.0
// The report stands once it is collected, and a crash's message and registers stand together from the first mark on.
#include "noting.hpp"

namespace standing_report_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct standing_report : noted {};

TEST_F(standing_report, calls_a_cpu_silent_that_answers_behind_the_collection_whoever_asks_again) {
  load();
  m.when("0 begins notes", [&] {
    nmi_on(1);
    auto& cpus = lastcpu::detail::inside::of(domain).cpus;
    cpus.expect_all(0);
    cpus.climb(0, 0, {stop_how::irq, 10});
    cpus.collect(0);
    EXPECT_EQ(domain.stop_others().state(1), stop_state::silent);
    EXPECT_EQ(domain.cpus().state_of(1), stop_state::silent);
    EXPECT_EQ(domain.cpus().report().status(), stop_status::some_silent);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], (note{1, stop_state::silent, false, 0, "", "", "", false}));
}

TEST_F(standing_report, is_the_same_when_a_cpu_answers_late_that_had_left_or_was_never_there) {
  for (const bool left : {true, false}) {
    fake_machine machine;
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.online[2] = left;
    machine.when("0 sends irq", [&] { machine.online[2] = false; });
    bool looked = false;
    machine.when("0 begins check", [&] {
      const auto before = d.stop_others();
      EXPECT_EQ(before.state(2), left ? stop_state::gone : stop_state::absent);
      machine.online[2] = true;
      machine.as(2, [&] { d.handle_nmi(stopped); });
      const auto behind = d.stop_others();
      EXPECT_EQ(behind.state(2), before.state(2));
      EXPECT_FALSE(behind.registers_valid(2));
      looked = true;
    });
    EXPECT_EQ(machine.as(0, [&] { d.panic("oh no", &crash); }), ending::jumped);
    EXPECT_TRUE(looked);
  }
}

TEST_F(standing_report, is_collected_also_where_a_fault_came_in_the_middle) {
  load();
  m.when("0 begins collect", [&] { domain.panic("fault", nullptr); });
  m.when("0 begins notes", [&] {
    EXPECT_EQ(domain.cpus().report().status(), stop_status::some_silent);
    nmi_on(1);
    EXPECT_EQ(domain.stop_others().state(1), stop_state::silent);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
}

TEST_F(standing_report, says_nothing_of_a_fault_beside_the_registers_of_an_nmi_panic) {
  load();
  m.when("0 reports in nmi", [&] { domain.panic("fault in the report", &stopped); });
  EXPECT_EQ(nmi_panic_on(0, "in nmi"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[0], (note{0, stop_state::running, true, in_nmi.pc, "", "in nmi", "fault in the report", false}));
}

TEST_F(standing_report, has_the_oops_of_a_dump_in_which_an_nmi_panicked) {
  load();
  m.when("0 checks image 7", [&] { domain.nmi_panic("in nmi", in_nmi); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[0], (note{0, stop_state::running, true, crash.pc, "oops", "in nmi", "", false}));
}

TEST_F(standing_report, has_a_note_of_a_cpu_that_came_behind_the_collection_and_panicked) {
  load();
  m.online[2] = false;
  m.when("0 begins check", [&] {
    m.online[2] = true;
    EXPECT_EQ(panic_on(2, "late comer"), ending::parked);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[2], (note{2, stop_state::silent, false, 0, "late comer", "", "", false}));
}

TEST_F(standing_report, has_the_spare_texts_of_cpus_without_a_number) {
  load();
  m.when("0 reports oh no", [&] {
    EXPECT_EQ(panic_on(fake_platform::max_cpus, "first"), ending::waiting);
    EXPECT_EQ(panic_on(fake_platform::max_cpus + 1, "second"), ending::parked);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  ASSERT_EQ(notes.size(), 6u);
  EXPECT_EQ(notes[4], (note{no_cpu, stop_state::parked, false, crash.pc, "first", "", "", false}));
  EXPECT_EQ(notes[5], (note{no_cpu, stop_state::silent, false, 0, "second", "", "", false}));
}

TEST_F(standing_report, has_the_registers_of_a_panic_whenever_it_has_a_letter_of_its_text) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.as(0, [&] {
      (void)lastcpu::detail::inside::of(d).gate.claim(hold::final);
      (void)lastcpu::detail::inside::of(d).gate.commit();
    });
    machine.inject(1, n, [&] { d.handle_nmi(stopped); });
    EXPECT_EQ(machine.as(1, [&] { d.panic("fault", &crash); }), ending::parked) << n;
    if (!machine.injected()) return;
    machine.cpu = 1;
    ASSERT_NE(d.cpus().registers_of(1), nullptr) << n;
    if (*d.messages().text(1, normal, true) != '\0') {
      EXPECT_EQ(d.cpus().registers_of(1)->pc, crash.pc) << n;
    }
    if (d.messages().state(1, normal) == message_state::none) {
      EXPECT_EQ(d.cpus().registers_of(1)->pc, stopped.pc) << n;
    }
  });
}

}  // namespace
}  // namespace standing_report_test
