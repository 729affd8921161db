// SPDX-License-Identifier: BSL-1.0
// stop_cpus.hpp: what the owner of the gate does. The CPU that stops: stopping_cpu_test.cpp.
#include "unit/core/stopping.hpp"

namespace stop_cpus_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct stop_cpus : stopping {};

TEST_F(stop_cpus, nobody_has_been_asked_at_first) {
  EXPECT_EQ(cpus.report().status(), stop_status::none);
  EXPECT_EQ(cpus.report().count(stop_state::absent), fake_platform::max_cpus);
}

TEST_F(stop_cpus, report_says_nothing_of_what_stood_there_before) {
  stop_report<fake_platform::max_cpus> report;
  report.set(1, stop_state::by_nmi, true);
  report.set_status(stop_status::stopped);
  cpus.report_to(report);
  EXPECT_EQ(report.status(), stop_status::none);
  EXPECT_EQ(report.state(1), stop_state::absent);
  EXPECT_FALSE(report.registers_valid(1));
}

TEST_F(stop_cpus, expects_nothing_but_silence_before_it_asks) {
  answer(1, stop_state::parked);
  m.online[3] = false;
  cpus.expect_all(0);
  EXPECT_EQ(cpus.state_of(0), stop_state::running);
  EXPECT_EQ(cpus.state_of(1), stop_state::parked);
  EXPECT_EQ(cpus.state_of(2), stop_state::silent);
  EXPECT_EQ(cpus.state_of(3), stop_state::absent);
  EXPECT_EQ(cpus.report().state(2), stop_state::silent);
}

TEST_F(stop_cpus, fault_before_the_first_request_leaves_silent_entries) {
  commit_on(0);
  bool silent = false;
  m.when("0 asks 1", [&] { silent = cpus.report().state(1) == stop_state::silent; });
  (void)stop_others();
  EXPECT_TRUE(silent);
}

TEST_F(stop_cpus, rung_asks_those_that_are_missing_only) {
  m.breaks(asks_uncommitted);
  answer(1, stop_state::parked);
  m.online[3] = false;
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_EQ(m.stops, (std::vector<sent>{{0, {2}, stop_how::irq}}));
}

TEST_F(stop_cpus, parked_losers_get_no_request_and_take_no_time) {
  for (const cpu_id cpu : {1u, 2u, 3u}) answer(cpu, stop_state::parked);
  commit_on(0);
  const uint64_t before = m.clock;
  const auto report = stop_others();
  EXPECT_EQ(report.status(), stop_status::stopped);
  EXPECT_EQ(report.count(stop_state::parked), 3u);
  EXPECT_TRUE(m.stops.empty());
  EXPECT_TRUE(m.waits.empty());
  EXPECT_EQ(m.clock, before);
}

TEST_F(stop_cpus, each_rung_runs_once) {
  m.breaks(asks_uncommitted);
  cpus.climb(0, 0, {stop_how::irq, 10});
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_EQ(m.stops.size(), 1u);
  cpus.climb(0, 1, {stop_how::nmi, 10});
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_EQ(m.stops.size(), 2u);
}

TEST_F(stop_cpus, next_rung_is_for_those_that_the_last_one_did_not_reach) {
  commit_on(0);
  m.when("0 sends irq", [&] { answer(2, stop_state::by_irq); });
  m.when("0 sends nmi", [&] { answer(1, stop_state::by_nmi, later); });
  const auto report = stop_others();
  EXPECT_EQ(m.stops, (std::vector<sent>{{0, {1, 2, 3}, stop_how::irq}, {0, {1, 3}, stop_how::nmi}}));
  EXPECT_EQ(report.state(0), stop_state::running);
  EXPECT_EQ(report.state(1), stop_state::by_nmi);
  EXPECT_EQ(report.state(2), stop_state::by_irq);
  EXPECT_EQ(report.state(3), stop_state::silent);
  EXPECT_EQ(report.status(), stop_status::some_silent);
  EXPECT_TRUE(report.registers_valid(1));
  EXPECT_TRUE(report.registers_valid(2));
  EXPECT_FALSE(report.registers_valid(3));
  EXPECT_EQ(cpus.registers_of(1)->pc, later.pc);
}

TEST_F(stop_cpus, everybody_answers_the_first_rung) {
  commit_on(2);
  m.when("2 sends irq", [&] {
    for (const cpu_id cpu : {0u, 1u, 3u}) answer(cpu, stop_state::by_irq);
  });
  const auto report = stop_others();
  EXPECT_EQ(report.status(), stop_status::stopped);
  EXPECT_EQ(report.count(stop_state::by_irq), 3u);
  EXPECT_EQ(report.state(2), stop_state::running);
  EXPECT_EQ(m.stops.size(), 1u);
}

TEST_F(stop_cpus, answer_ends_the_wait_for_it) {
  commit_on(0);
  m.online = {true, true, false, false};
  const uint64_t before = m.clock;
  m.when("0 waits", [&] { answer(1, stop_state::by_irq); });
  EXPECT_EQ(stop_others().status(), stop_status::stopped);
  EXPECT_EQ(m.clock, before);
  ASSERT_EQ(m.waits.size(), 1u);
  EXPECT_NE(std::find(m.woken.begin(), m.woken.end(), m.waits[0].word), m.woken.end());
}

TEST_F(stop_cpus, wait_that_ends_early_goes_on) {
  commit_on(0);
  m.online = {true, true, false, false};
  m.early_returns = 5;
  const uint64_t before = m.clock;
  cpus.climb(0, 0, {stop_how::irq, 100});
  EXPECT_EQ(m.waits.size(), 6u);
  EXPECT_EQ(m.clock, before + 100 + 1);
}

TEST_F(stop_cpus, rung_costs_its_budget_once_however_many_are_silent) {
  const uint64_t before = m.clock;
  commit_on(0);
  EXPECT_EQ(stop_others().count(stop_state::silent), 3u);
  EXPECT_EQ(m.clock, before + 100 + 200 + 2);
}

TEST_F(stop_cpus, cpu_that_leaves_is_gone_and_not_waited_for) {
  commit_on(0);
  m.online = {true, true, false, false};
  m.early_returns = 1;
  const uint64_t before = m.clock;
  m.when("0 waits", [&] { m.online[1] = false; });
  const auto report = stop_others();
  EXPECT_EQ(report.state(1), stop_state::gone);
  EXPECT_EQ(report.state(2), stop_state::absent);
  EXPECT_EQ(report.status(), stop_status::stopped);
  EXPECT_EQ(m.clock, before);
  EXPECT_EQ(m.stops.size(), 1u);
}

TEST_F(stop_cpus, cpu_that_has_answered_counts_as_stopped_though_it_is_said_to_be_offline) {
  commit_on(0);
  m.online = {true, true, true, false};
  answer(3, stop_state::parked);
  m.when("0 sends irq", [&] {
    answer(1, stop_state::by_irq);
    m.online[1] = false;
  });
  m.when("0 sends nmi", [&] {
    answer(2, stop_state::by_nmi);
    m.online[2] = false;
  });
  const auto report = stop_others();
  EXPECT_EQ(report.state(1), stop_state::by_irq);
  EXPECT_EQ(report.state(2), stop_state::by_nmi);
  EXPECT_EQ(report.state(3), stop_state::parked);
  for (const cpu_id cpu : {1u, 2u, 3u}) EXPECT_TRUE(report.registers_valid(cpu)) << cpu;
  EXPECT_EQ(report.status(), stop_status::stopped);
}

TEST_F(stop_cpus, cpu_that_comes_back_after_it_was_gone_is_asked_by_the_next_rung) {
  m.breaks(asks_uncommitted);
  cpus.expect_all(0);
  m.online[1] = false;
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_EQ(cpus.state_of(1), stop_state::gone);
  m.online[1] = true;
  cpus.climb(0, 1, {stop_how::nmi, 10});
  EXPECT_EQ(m.stops.back(), (sent{0, {1, 2, 3}, stop_how::nmi}));
  EXPECT_EQ(cpus.state_of(1), stop_state::silent);
}

TEST_F(stop_cpus, rung_that_finds_nobody_missing_takes_no_time_and_is_over) {
  for (const cpu_id cpu : {1u, 2u, 3u}) m.online[cpu] = false;
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_TRUE(m.stops.empty());
  m.online[1] = true;
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_TRUE(m.stops.empty()) << "it was climbed";
}

TEST_F(stop_cpus, rung_is_noted_before_its_request_so_that_a_fault_does_not_send_it_again) {
  m.breaks(asks_uncommitted);
  m.when("0 sends irq", [&] { cpus.climb(0, 0, {stop_how::irq, 10}); });
  cpus.climb(0, 0, {stop_how::irq, 10});
  EXPECT_EQ(m.stops.size(), 1u);
}

TEST_F(stop_cpus, requests_are_traced_before_they_are_sent_and_waited_for_from_the_last_one_on) {
  m.breaks(asks_uncommitted);
  m.early_returns = 0;
  cpus.climb(1, 0, {stop_how::irq, 10});
  const std::vector<std::string> log(m.log.begin(), m.log.begin() + 4);
  EXPECT_EQ(log, (std::vector<std::string>{"0 asks 0", "0 asks 2", "0 asks 3", "0 sends irq"}));
  fake_machine second;
  second.breaks(asks_uncommitted);
  lastcpu::stop_cpus<fake_platform> c;
  second.when("0 waits", [&] {
    for (const cpu_id cpu : {1u, 2u, 3u}) second.as(cpu, [&] { c.acknowledge(cpu, stop_state::by_irq); });
  });
  c.climb(0, 0, {stop_how::irq, 10});
  ASSERT_EQ(second.waits.size(), 1u) << "when the last one has answered, the others have";
  EXPECT_EQ(second.waits[0].word, second.woken.back());
}

TEST_F(stop_cpus, collected_report_stands_whoever_leaves_or_answers_later) {
  commit_on(0);
  (void)stop_others();
  answer(1, stop_state::by_nmi);
  m.online[2] = false;
  cpus.collect(0);
  EXPECT_EQ(cpus.state_of(1), stop_state::silent);
  EXPECT_EQ(cpus.state_of(2), stop_state::silent);
  EXPECT_FALSE(cpus.report().registers_valid(1)) << "it has saved some, but is silent";
  EXPECT_NE(cpus.registers_of(1), nullptr);
}

TEST_F(stop_cpus, stopping_twice_is_stopping_once_with_the_first_report) {
  commit_on(0);
  m.when("0 sends irq", [&] { answer(1, stop_state::by_irq); });
  const auto first = stop_others();
  const size_t asked = m.stops.size();
  answer(3, stop_state::by_nmi);
  m.online[2] = false;
  const auto again = stop_others();
  EXPECT_EQ(m.stops.size(), asked);
  EXPECT_EQ(again.status(), first.status());
  for (cpu_id cpu = 0; cpu < fake_platform::max_cpus; ++cpu) {
    EXPECT_EQ(again.state(cpu), first.state(cpu)) << cpu;
    EXPECT_EQ(again.registers_valid(cpu), first.registers_valid(cpu)) << cpu;
  }
}

TEST_F(stop_cpus, collecting_twice_is_collecting_once) {
  cpus.collect(0);
  EXPECT_EQ(cpus.report().status(), stop_status::some_silent);
  answer(1, stop_state::by_nmi);
  cpus.collect(0);
  EXPECT_EQ(cpus.state_of(1), stop_state::silent);
}

TEST_F(stop_cpus, answer_between_the_last_rung_and_the_report_counts) {
  m.breaks(asks_uncommitted);
  cpus.climb(0, 0, {stop_how::nmi, 10});
  for (const cpu_id cpu : {1u, 2u, 3u}) answer(cpu, stop_state::by_nmi);
  cpus.collect(0);
  EXPECT_EQ(cpus.report().status(), stop_status::stopped);
  EXPECT_EQ(cpus.report().count(stop_state::by_nmi), 3u);
}

TEST_F(stop_cpus, fault_in_a_rung_goes_on_at_the_next) {
  commit_on(0);
  m.when("0 sends irq", [&] {
    (void)stop_others();
    fake_platform::park();
  });
  m.as(0, [&] { (void)stop_others(); });
  EXPECT_EQ(m.stops, (std::vector<sent>{{0, {1, 2, 3}, stop_how::irq}, {0, {1, 2, 3}, stop_how::nmi}}));
  EXPECT_EQ(cpus.report().status(), stop_status::some_silent);
}

TEST_F(stop_cpus, who_has_not_committed_is_no_arbiter) {
  const auto refused = [&] {
    EXPECT_EQ(stop_others().status(), stop_status::not_the_arbiter);
    EXPECT_TRUE(m.stops.empty());
    EXPECT_EQ(cpus.report().status(), stop_status::none);
    EXPECT_EQ(cpus.report().count(stop_state::absent), fake_platform::max_cpus);
  };
  refused();
  ASSERT_TRUE(gate.claim(hold::trial).won());
  refused();
  ASSERT_TRUE(gate.claim(hold::final).won());
  refused();
  ASSERT_TRUE(gate.commit());
  m.cpu = 1;
  refused();
  m.cpu = no_cpu;
  refused();
}

TEST_F(stop_cpus, number_that_no_cpu_has_reads_absent) {
  for (const cpu_id cpu : {fake_platform::max_cpus, no_cpu}) {
    EXPECT_EQ(cpus.state_of(cpu), stop_state::absent);
    EXPECT_EQ(cpus.registers_of(cpu), nullptr);
  }
}

struct two_of_four : fake_platform {
  static cpu_id cpu_limit() noexcept { return 2; }
};

TEST_F(stop_cpus, looks_no_further_than_the_platforms_limit) {
  panic_cpu<two_of_four> g;
  lastcpu::stop_cpus<two_of_four> c;
  ASSERT_TRUE(g.claim(hold::final).won());
  ASSERT_TRUE(g.commit());
  const auto report = c.stop_others(g, irq_then_nmi);
  EXPECT_EQ(m.stops.at(0), (sent{0, {1}, stop_how::irq}));
  EXPECT_EQ(report.state(1), stop_state::silent);
  EXPECT_EQ(report.state(2), stop_state::absent);
}

}  // namespace
}  // namespace stop_cpus_test
