// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic_policy.hpp>

#include <gtest/gtest.h>

namespace panic_policy_test {
namespace {

using namespace lastcpu;

static_assert(sizeof(panic_policy::rungs) / sizeof(rung) <= max_rungs);

TEST(panic_policy, is_by_default_what_is_documented) {
  ASSERT_EQ(sizeof(panic_policy::rungs) / sizeof(rung), 2u);
  EXPECT_EQ(panic_policy::rungs[0].budget_us, 20'000u);
  EXPECT_EQ(panic_policy::rungs[1].budget_us, 1'000'000u);
  EXPECT_EQ(panic_policy::on_oops(), oops_action::dump);
  EXPECT_EQ(panic_policy::message_bytes, 124u);
  EXPECT_FALSE(panic_policy::crash_kexec_post_notifiers);
  EXPECT_TRUE(panic_policy::restarts);
  EXPECT_EQ(panic_policy::restart_delay_us, 0u);
  static_assert(detail::same_as<decltype(panic_policy::notifiers(0)), nothing_to_do>, "no report is made for nobody");
  EXPECT_EQ(max_rungs, 4u);
}

TEST(panic_policy, asks_politely_before_it_insists) {
  EXPECT_EQ(panic_policy::rungs[0].how, stop_how::irq);
  EXPECT_EQ(panic_policy::rungs[1].how, stop_how::nmi);
  for (const rung r : panic_policy::rungs) EXPECT_GT(r.budget_us, 0u);
}

}  // namespace
}  // namespace panic_policy_test
