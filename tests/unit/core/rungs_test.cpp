// SPDX-License-Identifier: BSL-1.0
// Ports without NMIs, and ports that can take a CPU away.
#include <lastcpu/ladder/rungs.hpp>

#include <lastcpu/barebones.hpp>

#include "panicking.hpp"

namespace rungs_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct three_ways : fake_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 10}, {stop_how::nmi, 20}, {stop_how::forced, 30}};
  template <class Note>
  static void summary(const Note& n) noexcept {
    const std::string line = std::to_string(n.cpu) + " " + to_string(n.state) +
                             (n.registers != nullptr ? " with registers " : " without registers ") + n.message;
    machine().say("sums up", line.c_str());
  }
};

struct without_nmi : fake_platform {
  static constexpr bool has_nmi = false;
};
struct with_force : fake_platform {
  static inline std::vector<cpu_id> firm, slow;  // that can't be taken away; that can, but not at once
  static bool force_stop(cpu_id cpu) noexcept {
    machine().say("forces", cpu);
    if (std::find(firm.begin(), firm.end(), cpu) != firm.end()) return false;
    const auto late = std::find(slow.begin(), slow.end(), cpu);
    if (late == slow.end()) return true;
    slow.erase(late);
    return false;
  }
};
struct only_force : with_force {
  static constexpr bool has_nmi = false;
};

template <class P>
[[nodiscard]] std::vector<stop_how> ways() {
  std::vector<stop_how> out;
  for (const rung r : lastcpu::detail::rungs_of<P, three_ways>::all) out.push_back(r.how);
  return out;
}

TEST(rungs, are_those_that_the_port_has) {
  EXPECT_EQ(ways<fake_platform>(), (std::vector{stop_how::irq, stop_how::nmi}));
  EXPECT_EQ(ways<without_nmi>(), (std::vector{stop_how::irq}));
  EXPECT_EQ(ways<with_force>(), (std::vector{stop_how::irq, stop_how::nmi, stop_how::forced}));
  EXPECT_EQ(ways<only_force>(), (std::vector{stop_how::irq, stop_how::forced}));
  EXPECT_EQ((lastcpu::detail::rungs_of<only_force, three_ways>::all[1].budget_us), 30u);
}

struct irq_only : panicking<without_nmi, three_ways> {};

TEST_F(irq_only, ladder_sends_no_nmi_and_has_no_step_for_it) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"sends", "rung"}), (lines{"0 begins rung 0", "0 sends irq"}));
  EXPECT_EQ(domain.state_of(1), stop_state::silent);
}

template <class Domain>
struct forced : testing::Test {
  fake_machine m;
  Domain domain;

  forced() { with_force::firm = with_force::slow = {}; }
  ending panic_on_0() {
    return m.as(0, [this] { domain.panic("oh no", &crash); });
  }
  [[nodiscard]] lines said() const { return m.lines_with({"sums up"}); }
};
using both = testing::Types<crash_domain<with_force, three_ways>, bare_domain<with_force, three_ways>>;
TYPED_TEST_SUITE(forced, both);

TYPED_TEST(forced, rung_takes_away_who_has_not_answered) {
  this->m.when("0 sends nmi", [&] { this->m.as(2, [&] { this->domain.handle_nmi(stopped); }); });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->m.lines_with({"forces"}), (lines{"0 forces 1", "0 forces 3"}));
  EXPECT_EQ(this->m.stops.size(), 2u) << "force is no request";
  EXPECT_EQ(this->said(), (lines{"0 sums up 0 running with registers oh no", "0 sums up 1 forced without registers ",
                                 "0 sums up 2 by nmi with registers ", "0 sums up 3 forced without registers "}));
  EXPECT_TRUE(this->domain.is_stopped(1) && this->domain.is_stopped(2));
}

TYPED_TEST(forced, rung_costs_no_time_where_all_are_down_at_once) {
  uint64_t before = 0;
  this->m.when("0 forces 1", [&] { before = this->m.clock; });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->m.clock, before);
}

TYPED_TEST(forced, cpu_that_goes_down_slowly_is_asked_about_again_behind_the_budget) {
  with_force::slow = {3};
  uint64_t first = 0, second = 0;
  this->m.when("0 forces 3", [&] { first = this->m.clock; });
  this->m.when("0 forces 3", [&] { second = this->m.clock; });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->m.count("0 forces 3"), 2);
  EXPECT_EQ(this->m.count("0 forces 1"), 1);
  EXPECT_GE(second - first, 30u);
  EXPECT_EQ(this->domain.state_of(3), stop_state::forced);
}

TYPED_TEST(forced, cpu_that_can_not_be_taken_away_is_silent) {
  with_force::firm = {1};
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->domain.state_of(1), stop_state::silent);
  EXPECT_FALSE(this->domain.is_stopped(1));
  EXPECT_EQ(this->domain.state_of(2), stop_state::forced);
}

TYPED_TEST(forced, cpu_that_answers_just_before_it_is_down_counts_with_its_registers) {
  this->m.when("0 forces 1", [&] { this->m.as(1, [&] { this->domain.handle_nmi(stopped); }); });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->domain.state_of(1), stop_state::by_nmi);
  EXPECT_EQ(this->domain.registers_of(1)->pc, stopped.pc);
}

TYPED_TEST(forced, cpu_that_was_taken_away_in_its_stop_has_no_registers_but_its_message) {
  this->m.when("0 sends nmi", [&] {
    this->m.when("1 is made resettable", [&] { this->m.leave(ending::spinning); });
    this->m.as(1, [&] { this->domain.panic("second", &stopped); });
  });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->m.count("0 sums up 1 forced without registers second"), 1);
  EXPECT_EQ(this->domain.registers_of(1), nullptr);
}

TYPED_TEST(forced, cpu_that_was_taken_away_in_the_middle_of_its_text_keeps_what_it_had_written) {
  int cut = 0;
  for (uint32_t moment = 1; moment < 20; ++moment) {
    fake_machine machine;
    TypeParam d;
    machine.when("0 sends nmi", [&] {
      machine.inject(1, moment, [&] { machine.leave(ending::spinning); });
      machine.as(1, [&] { d.panic("second", &stopped); });
    });
    EXPECT_EQ(machine.as(0, [&] { d.panic("oh no", &crash); }), ending::restarted);
    const bool taken_away = d.state_of(1) == stop_state::forced;
    cut += taken_away && d.messages().state(1, panic_context::normal) == message_state::writing ? 1 : 0;
    EXPECT_EQ(machine.count("0 sums up 1 forced without registers (being written)"), 0) << moment;
  }
  EXPECT_GT(cut, 0);
}

TYPED_TEST(forced, fault_in_it_goes_on_at_the_next_step) {
  this->m.when("0 forces 1", [&] { this->domain.panic("fault", &stopped); });
  EXPECT_EQ(this->panic_on_0(), ending::restarted);
  EXPECT_EQ(this->m.lines_with({"forces"}), lines{"0 forces 1"});
  EXPECT_EQ(this->domain.state_of(1), stop_state::silent);
}

TEST(report_of_a_forced_stop, says_that_all_are_stopped) {
  fake_machine m;
  panic_cpu<with_force> gate;
  lastcpu::stop_cpus<with_force> cpus;
  with_force::firm = with_force::slow = {};
  ASSERT_TRUE(gate.claim(hold::final).won() && gate.commit());
  const auto report = cpus.stop_others(gate, three_ways::rungs);
  EXPECT_EQ(report.status(), stop_status::stopped);
  EXPECT_EQ(report.count(stop_state::forced), 3u);
  EXPECT_FALSE(report.registers_valid(1));
}

}  // namespace
}  // namespace rungs_test
