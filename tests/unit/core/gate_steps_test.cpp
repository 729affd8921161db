// SPDX-License-Identifier: BSL-1.0
// Steps are counted in the gate's word: begun, begun before, or not mine.
#include <lastcpu/panic_cpu.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace gate_steps_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using gate_type = panic_cpu<fake_platform>;

struct gate_steps : testing::Test {
  fake_machine m;
  gate_type gate;

  step_outcome begin(uint32_t number, phase at_least = phase::panicking) { return gate.begin_step(number, at_least); }
  // What a step is told that must not run: nothing changes then.
  step_outcome refused(uint32_t number, phase at_least = phase::panicking) {
    const uintptr_t before = gate.read().bits();
    const step_outcome out = begin(number, at_least);
    EXPECT_EQ(gate.read().bits(), before) << number;
    return out;
  }
};

TEST_F(gate_steps, each_begins_once) {
  ASSERT_TRUE(gate.claim(hold::final).won());
  EXPECT_EQ(begin(1), step_outcome::begun);
  EXPECT_EQ(gate.read().step(), 1u);
  EXPECT_EQ(refused(1), step_outcome::begun_before);
}

TEST_F(gate_steps, one_that_a_later_one_has_overtaken_counts_as_begun_before) {
  ASSERT_TRUE(gate.claim(hold::final).won());
  EXPECT_EQ(begin(5), step_outcome::begun);
  EXPECT_EQ(refused(4), step_outcome::begun_before);
  EXPECT_EQ(refused(4, phase::jumping), step_outcome::begun_before);
  EXPECT_EQ(begin(6), step_outcome::begun);
}

TEST_F(gate_steps, who_does_not_own_the_gate_is_told_so_whichever_step_it_asks_for) {
  EXPECT_EQ(refused(1), step_outcome::not_mine);
  ASSERT_TRUE(gate.claim(hold::final).won());
  ASSERT_EQ(begin(3), step_outcome::begun);
  m.cpu = 1;
  for (const uint32_t step : {1u, 3u, 4u}) EXPECT_EQ(refused(step), step_outcome::not_mine) << step;
}

TEST_F(gate_steps, are_those_of_the_number_that_the_caller_passes) {
  ASSERT_TRUE(gate.claim(hold::final, fake_platform::max_cpus).won());
  EXPECT_EQ(gate.begin_step(1, phase::panicking, 0), step_outcome::not_mine);
  EXPECT_EQ(gate.begin_step(1, phase::panicking, fake_platform::max_cpus), step_outcome::begun);
}

TEST_F(gate_steps, of_number_zero_there_is_none) {
  ASSERT_TRUE(gate.claim(hold::final).won());
  EXPECT_EQ(refused(0), step_outcome::begun_before);
  EXPECT_EQ(refused(0, phase::dumping), step_outcome::begun_before);
}

TEST_F(gate_steps, beyond_the_word_there_are_none) {
  ASSERT_TRUE(gate.claim(hold::final).won());
  ASSERT_EQ(begin(7), step_outcome::begun);
  for (const uint32_t too_big : {1u << gate_word::step_bits, (1u << gate_word::step_bits) + 9, ~0u})
    EXPECT_EQ(refused(too_big), step_outcome::begun_before) << too_big;
}

TEST_F(gate_steps, raise_the_phase_and_never_lower_it) {
  ASSERT_TRUE(gate.claim(hold::trial).won());
  EXPECT_EQ(begin(1), step_outcome::begun);
  EXPECT_EQ(gate.read().phase(), phase::panicking);
  EXPECT_EQ(begin(2, phase::dumping), step_outcome::begun);
  EXPECT_EQ(gate.read().phase(), phase::dumping);
  EXPECT_EQ(m.count("0 commits"), 1);
  EXPECT_EQ(begin(3, phase::jumping), step_outcome::begun);
  EXPECT_EQ(begin(4), step_outcome::begun);
  EXPECT_EQ(gate.read().phase(), phase::jumping);
  EXPECT_EQ(m.count("0 commits"), 1);
}

TEST_F(gate_steps, that_an_nmi_overtakes_do_not_begin) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    gate_type g;
    (void)g.claim(hold::final);
    bool nested = false;
    machine.inject(0, n, [&] { nested = g.begin_step(3) == step_outcome::begun; });
    const bool outer = g.begin_step(3) == step_outcome::begun;
    EXPECT_NE(outer, machine.injected() && nested) << n;
  });
}

}  // namespace
}  // namespace gate_steps_test
