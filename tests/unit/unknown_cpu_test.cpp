// SPDX-License-Identifier: BSL-1.0
// A CPU without a number.
#include "panicking.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct unknown_cpu : panicking<> {
  static constexpr cpu_id nobody = fake_platform::max_cpus;
};

TEST_F(unknown_cpu, that_panics_reports_and_restarts) {
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_TRUE(m.stops.empty());
  EXPECT_FALSE(domain.gate().in_progress());
}

TEST_F(unknown_cpu, that_panics_in_nmi_reports_and_restarts) {
  EXPECT_EQ(nmi_panic_on(nobody, nullptr), ending::restarted);
  EXPECT_EQ(m.count("4 reports (no message)"), 1);
}

TEST_F(unknown_cpu, waits_for_who_holds_the_gate) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_EQ(m.resume(nobody), ending::waiting);
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts"}).empty());
  m.cpu = 0;
  ASSERT_EQ(domain.gate().release(), release_outcome::released);
  EXPECT_EQ(m.resume(nobody), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
}

TEST_F(unknown_cpu, never_disturbs_a_dump) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  m.cpu = 0;
  ASSERT_TRUE(domain.gate().commit());
  EXPECT_EQ(m.resume(nobody), ending::waiting);
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts"}).empty());
}

TEST_F(unknown_cpu, that_cannot_restart_halts_and_then_parks) {
  m.restart_returns = m.halt_returns = true;
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::parked);
  EXPECT_LT(m.at("4 restarts"), m.at("4 halts"));
}

TEST_F(unknown_cpu, has_one_text_whatever_the_context_and_the_first_one_stays) {
  claim_on(0, hold::final);
  EXPECT_EQ(nmi_panic_on(nobody, "first"), ending::waiting);
  EXPECT_EQ(panic_on(nobody, "second"), ending::waiting);
  EXPECT_EQ(message(nobody, normal), "first");
  EXPECT_EQ(domain.messages().state(nobody, nmi), message_state::none);
  EXPECT_EQ(domain.messages().state(nobody, nested), message_state::none);
}

TEST_F(unknown_cpu, waits_on_the_word_that_it_saw_and_reports_with_its_registers) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  ASSERT_EQ(m.waits.size(), 1u);
  EXPECT_EQ(m.waits[0].value, domain.gate().read().bits());
  EXPECT_EQ(m.lines_with({"4"}), (lines{"4 irqs off", "4 waits"}));
}

struct adopting : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return machine().cpu = 3; }
};
struct adopted_cpu : panicking<adopting> {};

TEST_F(adopted_cpu, panics_under_its_new_number) {
  EXPECT_EQ(panic_on(no_cpu, "late comer"), ending::restarted);
  EXPECT_EQ(message(3, normal), "late comer");
  EXPECT_EQ(m.count("3 reports late comer"), 1);
  EXPECT_EQ(saved_pc(3), crash.pc);
}

TEST_F(adopted_cpu, panics_in_nmi_under_its_new_number) {
  EXPECT_EQ(nmi_panic_on(no_cpu, "late comer"), ending::restarted);
  EXPECT_EQ(message(3, nmi), "late comer");
}

TEST_F(adopted_cpu, keeps_the_number_it_has) {
  EXPECT_EQ(panic_on(1, "known"), ending::restarted);
  EXPECT_EQ(m.count("1 reports known"), 1);
}

struct full_house : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return max_cpus; }
};
struct refused_cpu : panicking<full_house> {};

TEST_F(refused_cpu, panics_without_a_number) {
  EXPECT_EQ(panic_on(no_cpu, "one too many"), ending::restarted);
  EXPECT_EQ(message(fake_platform::max_cpus, normal), "one too many");
}

struct forgetful : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return 3; }  // but this_cpu() still answers no_cpu
};
struct forgotten_cpu : panicking<forgetful> {};

TEST_F(forgotten_cpu, panics_without_a_number) {
  EXPECT_EQ(panic_on(no_cpu, "whom did you adopt"), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}).size(), 1u);
  EXPECT_FALSE(domain.gate().in_progress());
  EXPECT_TRUE(m.stops.empty());
}

}  // namespace
