// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/detail/optional_members.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/fake_platform.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;

template <cpu_id Limit>
struct limited : fake_platform {
  static cpu_id cpu_limit() noexcept { return Limit; }
};

TEST(optional_members, cpu_limit_is_max_cpus_unless_the_platform_knows_better) {
  EXPECT_EQ(detail::cpu_limit<fake_platform>(), fake_platform::max_cpus);
  EXPECT_EQ(detail::cpu_limit<limited<2>>(), 2u);
}

TEST(optional_members, cpu_limit_beyond_max_cpus_is_max_cpus) {
  EXPECT_EQ(detail::cpu_limit<limited<no_cpu>>(), fake_platform::max_cpus);
}

TEST(optional_members, trace_reaches_a_platform_that_wants_it) {
  fake_machine m;
  detail::trace<fake_platform>(trace_kind::stop_sent, 0, 3);
  EXPECT_EQ(m.log, std::vector<std::string>{"0 asks 3"});
}

}  // namespace
