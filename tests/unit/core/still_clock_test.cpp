// SPDX-License-Identifier: BSL-1.0
// A clock that does not move while interrupts are off, and one that is coarser than the budget.
#include "panicking.hpp"

namespace still_clock_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct slow : fake_policy {
  static constexpr uint32_t restart_delay_us = 5'000'000;
};
struct still_clock : panicking<fake_platform, slow> {
  still_clock() { m.early_returns = ~0u; }  // no wait ever sees the deadline pass
};

TEST_F(still_clock, keeps_the_owner_neither_from_the_restart_nor_from_its_delay) {
  const uint64_t before = m.clock;
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.clock, before);
  EXPECT_EQ(m.waits.size(), 3u * fake_platform::rounds_of_a_still_clock) << "two rungs and the delay";
  EXPECT_EQ(domain.cpus().report().count(stop_state::silent), 3u);
}

TEST_F(still_clock, that_moves_now_and_then_is_waited_for) {
  m.online = {true, true, false, false};
  uint32_t waits = 0;
  m.always([&] {
    if (m.waits.size() == waits) return;
    waits = static_cast<uint32_t>(m.waits.size());
    if (waits % (fake_platform::rounds_of_a_still_clock / 2) == 0) m.clock += 100'000;
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_GE(m.clock, 1000u + 20'000 + 1'000'000 + 5'000'000);
}

// As a time stamp counter before it is calibrated.
TEST_F(still_clock, that_moves_at_an_unknown_rate_is_not_waited_for) {
  m.frequency = 0;
  m.always([&] { ++m.clock; });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.waits.size(), 3u * fake_platform::rounds_of_a_still_clock) << "two rungs and the delay";
}

TEST(coarse_clock, is_waited_for_at_least_as_long_as_was_asked) {
  fake_machine m;
  m.breaks("promise 3: a CPU that has not committed sends a stop");
  m.frequency = 1000;
  stop_cpus<fake_platform> cpus;
  m.online = {true, true, false, false};
  cpus.climb(0, 0, {stop_how::irq, 900});
  EXPECT_EQ(m.waits.size(), 1u);
  EXPECT_GE(m.clock, 1000u + 1);
}

TEST(default_policy, stops_a_cpu_that_keeps_interrupts_off_within_50_ms) {
  fake_machine m;
  domain_type domain;
  m.when("0 sends nmi", [&] {
    for (const cpu_id cpu : {1u, 2u, 3u}) m.as(cpu, [&] { domain.handle_nmi(stopped); });
  });
  const uint64_t before = m.clock;
  EXPECT_EQ(m.as(0, [&] { domain.panic("oh no", &crash); }), ending::restarted);
  EXPECT_LE(m.clock - before, 50'000u) << "microseconds";
}

}  // namespace
}  // namespace still_clock_test
