// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/apic_id.hpp>

#include <gtest/gtest.h>

namespace apic_id_test {
namespace {

using namespace lastcpu;

struct processor {
  static inline uint32_t last_leaf = 0;
  static inline uint32_t levels = 0;
  static x86::cpuid_result cpuid(uint32_t leaf) noexcept {
    if (leaf == 0) return {last_leaf, 0, 0, 0};
    if (leaf == 1) return {0, 0x2a00'0800, 0, 0};
    return leaf == 11 ? x86::cpuid_result{0, levels, 0, 0x12345} : x86::cpuid_result{~0u, ~0u, ~0u, ~0u};
  }
  static uint32_t id(uint32_t leaves, uint32_t topology_levels) {
    last_leaf = leaves;
    levels = topology_levels;
    return x86::initial_apic_id<processor>();
  }
};

TEST(apic_id, is_the_wide_one_where_there_is_a_topology) {
  EXPECT_EQ(processor::id(11, 2), 0x12345u);
  EXPECT_EQ(processor::id(31, 1), 0x12345u);
}

TEST(apic_id, is_the_initial_one_where_the_leaf_is_missing_or_empty) {
  EXPECT_EQ(processor::id(10, 2), 0x2au);
  EXPECT_EQ(processor::id(11, 0), 0x2au);
}

}  // namespace
}  // namespace apic_id_test
