// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/step.hpp>

#include <lastcpu/panic_policy.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace step_test {
namespace {

using namespace lastcpu;

static_assert(step_count - 1 < 1u << gate_word::step_bits, "the gate word counts every step");
static_assert(static_cast<uint32_t>(step::rung_3) - static_cast<uint32_t>(step::rung_0) + 1 == max_rungs);

TEST(step, steps_come_in_the_order_of_the_contract) {
  const std::vector<lastcpu::step> order{step::none,          step::report,     step::image,
                                         step::expect,        step::commit,     step::registers,
                                         step::rung_0,        step::rung_1,     step::rung_2,
                                         step::rung_3,        step::collect,    step::check,
                                         step::check_again,   step::words,      step::summary,
                                         step::summary_again, step::notifiers,  step::message_dump,
                                         step::late_image,    step::late_check, step::late_check_again,
                                         step::no_kernel,     step::notes,      step::crash_shutdown,
                                         step::jump,          step::flush,      step::delay,
                                         step::restart,       step::halt};
  ASSERT_EQ(order.size(), step_count);
  for (uint32_t i = 0; i < step_count; ++i) EXPECT_EQ(static_cast<uint32_t>(order[i]), i);
}

TEST(step, each_step_has_its_own_name) {
  std::set<std::string> names;
  for (uint32_t i = 0; i < step_count; ++i) names.insert(to_string(static_cast<step>(i)));
  EXPECT_EQ(names.size(), step_count);
  EXPECT_EQ(names.count("?"), 0u);
}

TEST(step, names_belong_to_their_steps) {
  EXPECT_STREQ(to_string(step::none), "none");
  EXPECT_STREQ(to_string(step::report), "report");
  EXPECT_STREQ(to_string(step::commit), "commit");
  EXPECT_STREQ(to_string(step::rung_0), "rung 0");
  EXPECT_STREQ(to_string(step::rung_3), "rung 3");
  EXPECT_STREQ(to_string(step::collect), "collect");
  EXPECT_STREQ(to_string(step::late_image), "late image");
  EXPECT_STREQ(to_string(step::jump), "jump");
  EXPECT_STREQ(to_string(step::halt), "halt");
}

TEST(step, unknown_step_has_a_name_that_says_so) {
  EXPECT_STREQ(to_string(static_cast<step>(step_count)), "?");
  EXPECT_STREQ(to_string(static_cast<step>(0xff)), "?");
}

TEST(step, needs_the_commit_from_the_commit_on_and_the_last_phase_for_the_jump) {
  for (uint32_t i = 1; i < step_count; ++i) {
    const auto s = static_cast<lastcpu::step>(i);
    const phase needed = s == step::jump ? phase::jumping : s >= step::commit ? phase::dumping : phase::panicking;
    EXPECT_EQ(phase_needed_by(s), needed) << to_string(s);
  }
}

}  // namespace
}  // namespace step_test
