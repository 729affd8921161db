// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/detail/optional_members.hpp>

#include <gtest/gtest.h>
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_message.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <string>
#include <vector>

#include "support/fake_platform.hpp"

namespace optional_members_test {
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
  m.breaks("promise 3: a CPU that has not committed sends a stop");
  detail::trace<fake_platform>(trace_kind::stop_sent, 0, 3);
  EXPECT_EQ(m.log, std::vector<std::string>{"0 asks 3"});
}

// --- The distance of what two CPUs write to.

struct without_a_cache : archetype {
  static constexpr uint32_t cache_line = 1;
};
struct with_long_lines : archetype {
  static constexpr uint32_t cache_line = 128;
};
TEST(cache_line, is_64_unless_the_port_says_otherwise_and_never_too_small_for_what_is_in_it) {
  EXPECT_EQ(lastcpu::detail::cache_line<archetype>(), 64u);
  EXPECT_EQ(lastcpu::detail::cache_line<without_a_cache>(), alignof(uintptr_t));
  EXPECT_EQ(lastcpu::detail::cache_line<with_long_lines>(), 128u);
}
TEST(cache_line, is_how_far_records_and_texts_of_two_cpus_are_apart) {
  EXPECT_EQ(alignof(stop_cpus<archetype>), 64u);
  EXPECT_EQ(alignof(stop_cpus<with_long_lines>), 128u);
  EXPECT_LT(sizeof(stop_cpus<without_a_cache>), sizeof(stop_cpus<archetype>));
  EXPECT_EQ(alignof(panic_messages<with_long_lines, 16>), 128u);
  EXPECT_LT(sizeof(panic_messages<without_a_cache, 32>), sizeof(panic_messages<archetype, 32>));
}

}  // namespace
}  // namespace optional_members_test
