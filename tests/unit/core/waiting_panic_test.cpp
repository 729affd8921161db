// SPDX-License-Identifier: BSL-1.0
// A panic that waits for a trial of another CPU comes before any further trial.
#include "panicking.hpp"

namespace waiting_panic_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct waiting_panic : panicking<> {
  // CPU 0 looks for an image, finds none whole, and gives the gate back; meanwhile CPU 1 panics.
  void waits_for_a_trial() {
    load();
    m.broken_images = {7};
    m.when("0 checks image 7", [&] { EXPECT_EQ(panic_on(1, "waits"), ending::waiting); });
    EXPECT_EQ(m.as(0, [&] { EXPECT_EQ(domain.crash_kexec(), kexec_outcome::image_corrupt); }), ending::returned);
  }
};

TEST_F(waiting_panic, is_not_overtaken_by_trials_that_come_one_after_the_other) {
  waits_for_a_trial();
  for (int i = 0; i < 3; ++i)
    for (const cpu_id cpu : {0u, 2u, 3u}) {
      m.cpu = cpu;
      EXPECT_EQ(domain.crash_kexec(), kexec_outcome::held_by_other) << cpu;
      EXPECT_TRUE(m.irqs_on[cpu]);
    }
  EXPECT_EQ(m.resume(1), ending::restarted);
  EXPECT_EQ(m.count("1 reports waits"), 1);
}

TEST_F(waiting_panic, leaves_the_freed_gate_to_another_panic) {
  waits_for_a_trial();
  EXPECT_EQ(panic_on(2, "faster"), ending::restarted);
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(message(1, normal), "waits");
}

TEST_F(waiting_panic, says_so_once) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(1, "first"), ending::waiting);
  EXPECT_EQ(panic_on(2, "second"), ending::waiting);
  EXPECT_EQ(m.resume(1), ending::waiting);
  const auto wants = [](const word_access& a) {
    return a.what == word_access::exchange && gate_word{a.value}.wanted();
  };
  EXPECT_EQ(std::count_if(m.accesses.begin(), m.accesses.end(), wants), 1);
  EXPECT_EQ(m.waits.back().value, domain.gate().read().bits());
}

TEST_F(waiting_panic, leaves_no_mark_on_a_hold_that_is_not_given_back) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(1, "loser"), ending::waiting);
  EXPECT_FALSE(domain.gate().read().wanted());
}

TEST_F(waiting_panic, changes_nothing_for_who_holds_the_trial) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(1, "waits"), ending::waiting);
  m.cpu = 0;
  EXPECT_TRUE(domain.gate().on_this_cpu());
  EXPECT_EQ(lastcpu::detail::inside::of(domain).gate.claim(hold::trial).outcome, claim_outcome::mine_already);
  EXPECT_EQ(panic_on(0, "its own"), ending::restarted);
  EXPECT_EQ(m.resume(1), ending::parked);
}

TEST_F(waiting_panic, leaves_a_panic_of_an_nmi_on_the_holder_pending) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(1, "waits"), ending::waiting);
  EXPECT_EQ(nmi_panic_on(0, "nmi"), ending::returned);
  m.cpu = 0;
  EXPECT_EQ(lastcpu::detail::inside::of(domain).gate.release(), release_outcome::panic_pending);
  EXPECT_EQ(domain.gate().read().owner(), 0u);
}

}  // namespace
}  // namespace waiting_panic_test
