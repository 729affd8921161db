// SPDX-License-Identifier: BSL-1.0
// The handlers of the stop requests.
#include "panicking.hpp"

namespace handle_nmi_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct handle_nmi : panicking<> {
  void not_ours_on(cpu_id cpu) {
    const size_t logged = m.log.size();
    EXPECT_EQ(m.as(cpu,
                   [&] {
                     domain.handle_nmi(stopped);
                     domain.handle_stop_irq(stopped);
                   }),
              ending::returned);
    EXPECT_EQ(m.log.size(), logged);
    if (cpu < fake_platform::max_cpus) {
      EXPECT_FALSE(domain.cpus().acknowledged(cpu));
    }
  }
};

TEST_F(handle_nmi, is_one_read_while_nobody_stops_anybody) {
  m.accesses.clear();
  domain.handle_nmi(stopped);
  ASSERT_EQ(m.accesses.size(), 1u);
  EXPECT_EQ(m.accesses[0].what, word_access::load);
  EXPECT_EQ(m.accesses[0].how, order::acquire);
}

TEST_F(handle_nmi, is_not_ours_until_another_cpu_has_committed) {
  not_ours_on(1);
  claim_on(0, hold::trial);
  m.log.clear();
  not_ours_on(1);
  not_ours_on(0);
  claim_on(0, hold::final);
  not_ours_on(1);
  not_ours_on(0);
}

TEST_F(handle_nmi, never_stops_the_owner) {
  claim_on(0, hold::final);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  not_ours_on(0);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.begin_step(1, phase::jumping) == step_outcome::begun);
  not_ours_on(0);
}

TEST_F(handle_nmi, parks_a_cpu_without_a_number_when_another_one_has_committed) {
  claim_on(0, hold::final);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  for (const cpu_id nobody : {fake_platform::max_cpus, no_cpu}) {
    EXPECT_EQ(m.as(nobody, [&] { domain.handle_nmi(stopped); }), ending::parked);
    EXPECT_EQ(m.as(nobody, [&] { domain.handle_stop_irq(stopped); }), ending::parked);
  }
}

TEST_F(handle_nmi, stops_for_good_when_another_cpu_has_committed) {
  for (const phase p : {phase::dumping, phase::jumping}) {
    fake_machine machine;
    domain_type d;
    ASSERT_TRUE(lastcpu::detail::inside::of(d).gate.claim(hold::final).won());
    ASSERT_TRUE(lastcpu::detail::inside::of(d).gate.begin_step(1, p) == step_outcome::begun);
    machine.log.clear();
    EXPECT_EQ(machine.as(1, [&] { d.handle_nmi(stopped); }), ending::parked);
    EXPECT_EQ(machine.as(2, [&] { d.handle_stop_irq(stopped); }), ending::parked);
    EXPECT_EQ(d.cpus().registers_of(1)->pc, stopped.pc);
    lastcpu::detail::inside::of(d).cpus.expect_all(0);
    EXPECT_EQ(d.cpus().state_of(1), stop_state::by_nmi);
    EXPECT_EQ(d.cpus().state_of(2), stop_state::by_irq);
    EXPECT_TRUE(machine.waits.empty()) << "for good";
  }
}

TEST_F(handle_nmi, on_a_loser_that_waits_leaves_it_to_wait_until_the_commit) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(1, "second"), ending::waiting);
  EXPECT_EQ(m.interrupt(1, [&] { domain.handle_nmi(stopped); }), ending::waiting);
  m.cpu = 0;
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  EXPECT_EQ(m.interrupt(1, [&] { domain.handle_nmi(stopped); }), ending::parked);
  EXPECT_EQ(saved_pc(1), crash.pc);
  EXPECT_EQ(m.count("1 answers 2"), 1);
}

TEST_F(handle_nmi, stops_a_cpu_in_the_middle_of_its_message_and_keeps_what_there_is) {
  claim_on(0, hold::final);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  m.inject(1, before_the_mark, [&] { domain.handle_nmi(stopped); });
  EXPECT_EQ(panic_on(1, "cut"), ending::parked);
  EXPECT_EQ(domain.messages().state(1, normal), message_state::writing);
  EXPECT_EQ(message(1, normal), "cut");
  EXPECT_EQ(saved_pc(1), crash.pc) << "kept under the same mark";
}

}  // namespace
}  // namespace handle_nmi_test
