// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic_policy.hpp>

#include <lastcpu/gate_word.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace {

using namespace lastcpu;

static_assert(step_count - 1 < 1u << gate_word::step_bits, "the gate word counts every step");
static_assert(sizeof(panic_policy::rungs) / sizeof(rung) <= max_rungs);
static_assert(static_cast<uint32_t>(step::rung_3) - static_cast<uint32_t>(step::rung_0) + 1 == max_rungs);

TEST(panic_policy, steps_come_in_the_order_of_the_contract) {
  const std::vector<step> order{step::none,         step::report,     step::image,   step::expect,
                                step::commit,       step::registers,  step::rung_0,  step::rung_1,
                                step::rung_2,       step::rung_3,     step::collect, step::notifiers,
                                step::message_dump, step::late_image, step::notes,   step::crash_shutdown,
                                step::jump,         step::flush,      step::restart, step::halt};
  ASSERT_EQ(order.size(), step_count);
  for (uint32_t i = 0; i < step_count; ++i) EXPECT_EQ(static_cast<uint32_t>(order[i]), i);
}

TEST(panic_policy, each_step_has_its_own_name) {
  std::set<std::string> names;
  for (uint32_t i = 0; i < step_count; ++i) names.insert(to_string(static_cast<step>(i)));
  EXPECT_EQ(names.size(), step_count);
  EXPECT_EQ(names.count("?"), 0u);
}

TEST(panic_policy, names_belong_to_their_steps) {
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

TEST(panic_policy, unknown_step_has_a_name_that_says_so) {
  EXPECT_STREQ(to_string(static_cast<step>(step_count)), "?");
  EXPECT_STREQ(to_string(static_cast<step>(~0u)), "?");
}

TEST(panic_policy, is_by_default_what_is_documented) {
  ASSERT_EQ(sizeof(panic_policy::rungs) / sizeof(rung), 2u);
  for (const rung r : panic_policy::rungs) EXPECT_EQ(r.budget_us, 1'000'000u) << "one second each";
  EXPECT_EQ(panic_policy::message_bytes, 124u);
  EXPECT_FALSE(panic_policy::crash_kexec_post_notifiers);
  EXPECT_TRUE(panic_policy::restarts);
  EXPECT_EQ(panic_policy::restart_delay_us, 0u);
  EXPECT_EQ(max_rungs, 4u);
}

TEST(panic_policy, asks_politely_before_it_insists) {
  EXPECT_EQ(panic_policy::rungs[0].how, stop_how::irq);
  EXPECT_EQ(panic_policy::rungs[1].how, stop_how::nmi);
  for (const rung r : panic_policy::rungs) EXPECT_GT(r.budget_us, 0u);
}

}  // namespace
