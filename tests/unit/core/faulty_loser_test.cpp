// SPDX-License-Identifier: BSL-1.0
// A loser whose wait, hook or park faults: each fault handler panics, and it all ends within a fixed depth.
#include "panicking.hpp"

namespace faulty_loser_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct faulty_loser : panicking<> {
  static constexpr int often = 12;
  faulty_loser() { m.misses_events(); }
  // Whatever CPU 1 logs with this line faults there.
  void faults_at(const std::string& line) {
    for (int i = 0; i < often; ++i) m.when(line, [&] { domain.panic("fault", nullptr); });
  }
};

TEST_F(faulty_loser, whose_wait_faults_again_and_again_watches_the_gate_without_it) {
  claim_on(0, hold::final);
  faults_at("1 waits");
  EXPECT_EQ(panic_on(1, "lost"), ending::spinning);
  EXPECT_EQ(m.count("1 waits"), 3);
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  EXPECT_EQ(saved_pc(1), crash.pc);
  EXPECT_EQ(message(1, normal), "lost");
}

TEST_F(faulty_loser, that_watches_the_gate_takes_it_when_it_is_given_back) {
  claim_on(0, hold::trial);
  faults_at("1 waits");
  m.inject(1, 200, [&] {
    m.cpu = 0;
    EXPECT_EQ(lastcpu::detail::inside::of(domain).gate.release(), release_outcome::released);
    m.cpu = 1;
  });
  m.when("1 reports lost", [&] { EXPECT_EQ(m.count("1 waits"), 3); });
  EXPECT_EQ(panic_on(1, "lost"), ending::restarted);
  EXPECT_EQ(m.count("1 reports lost"), 1);
}

TEST_F(faulty_loser, whose_park_faults_again_and_again_parks_no_more) {
  claim_on(0, hold::final);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  faults_at("1 parks");
  EXPECT_EQ(panic_on(1, "lost"), ending::spinning);
  EXPECT_EQ(m.count("1 parks"), 3);
  EXPECT_EQ(m.count("1 goes down"), 1) << "the hook runs once";
}

TEST_F(faulty_loser, that_was_a_bystander_and_whose_park_faults_parks_no_more) {
  claim_on(0, hold::final);
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  faults_at("1 parks");
  EXPECT_EQ(m.as(1, [&] { domain.handle_nmi(stopped); }), ending::spinning);
  EXPECT_EQ(m.count("1 parks"), 1 + 3);
  EXPECT_EQ(saved_pc(1), stopped.pc);
}

TEST_F(faulty_loser, whose_trace_faults_before_it_waits_answers_and_watches_the_gate) {
  claim_on(0, hold::final);
  faults_at("1 loses to 0");
  EXPECT_EQ(panic_on(1, "lost"), ending::spinning);
  EXPECT_EQ(m.count("1 loses to 0"), 3);
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  EXPECT_EQ(message(1, normal), "lost");
}

TEST_F(faulty_loser, in_nmi_whose_wait_faults_watches_the_gate) {
  claim_on(0, hold::final);
  for (int i = 0; i < often; ++i) m.when("1 waits", [&] { domain.nmi_panic("again", stopped); });
  EXPECT_EQ(nmi_panic_on(1, "lost"), ending::spinning);
  EXPECT_EQ(m.count("1 waits"), 3);
}

TEST_F(faulty_loser, that_is_the_owner_at_its_end_parks_a_bounded_number_of_times) {
  m.restart_returns = m.halt_returns = true;
  for (int i = 0; i < 99; ++i) m.when("0 parks", [&] { domain.panic("fault", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::spinning);
  EXPECT_LE(m.count("0 parks"), 30);
}

TEST_F(faulty_loser, whose_wake_faults_has_answered_once) {
  claim_on(0, hold::final);
  faults_at("1 wakes");
  const ending end = panic_on(1, "lost");
  EXPECT_TRUE(end == ending::spinning || end == ending::waiting);
  EXPECT_EQ(m.count("1 answers 2"), 1);
  EXPECT_LE(m.count("1 wakes"), 4);
}

}  // namespace
}  // namespace faulty_loser_test
