// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/cpu.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace {

using namespace lastcpu;

template <cpu_id N>
std::vector<cpu_id> members(const cpu_set<N>& set) {
  std::vector<cpu_id> found;
  set.for_each([&](cpu_id cpu) { found.push_back(cpu); });
  return found;
}

TEST(cpu_set, is_empty_at_first) {
  const cpu_set<70> set;
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(members(set).empty());
}

TEST(cpu_set, holds_what_was_added_and_nothing_else) {
  cpu_set<70> set;
  for (const cpu_id cpu : {69u, 0u, 32u, 31u, 64u}) EXPECT_TRUE(set.add(cpu));
  EXPECT_FALSE(set.empty());
  for (cpu_id cpu = 0; cpu < 70; ++cpu)
    EXPECT_EQ(set.contains(cpu), cpu == 0 || cpu == 31 || cpu == 32 || cpu == 64 || cpu == 69) << cpu;
}

TEST(cpu_set, is_walked_in_ascending_order_across_words) {
  cpu_set<100> set;
  for (const cpu_id cpu : {99u, 64u, 31u, 3u}) set.add(cpu);
  EXPECT_EQ(members(set), (std::vector<cpu_id>{3, 31, 64, 99}));
}

TEST(cpu_set, finds_a_member_behind_an_empty_word) {
  cpu_set<128> set;
  set.add(96);
  EXPECT_FALSE(set.empty());
  EXPECT_EQ(members(set), std::vector<cpu_id>{96});
}

TEST(cpu_set, adding_twice_is_adding_once) {
  cpu_set<4> set;
  EXPECT_TRUE(set.add(2));
  EXPECT_TRUE(set.add(2));
  EXPECT_EQ(members(set), std::vector<cpu_id>{2});
}

TEST(cpu_set, refuses_numbers_outside_and_stays_as_it_is) {
  // Bits 4 to 31 exist in memory but are no CPUs of this set.
  cpu_set<4> set;
  for (const cpu_id cpu : {4u, 31u, 32u, no_cpu}) {
    EXPECT_FALSE(set.add(cpu));
    EXPECT_FALSE(set.contains(cpu));
  }
  EXPECT_TRUE(set.empty());
}

TEST(cpu, states_and_events_have_names_of_their_own) {
  std::set<std::string> names;
  for (uint32_t s = 0; s <= static_cast<uint32_t>(stop_state::gone); ++s)
    names.insert(to_string(static_cast<stop_state>(s)));
  EXPECT_EQ(names.size(), 8u);
  for (uint32_t k = 0; k <= static_cast<uint32_t>(trace_kind::parked); ++k)
    names.insert(to_string(static_cast<trace_kind>(k)));
  EXPECT_EQ(names.size(), 8u + 11u - 1u) << "parked is both";
  EXPECT_EQ(names.count("?"), 0u);
  EXPECT_STREQ(to_string(stop_state::gone), "gone");
  EXPECT_STREQ(to_string(trace_kind::acknowledged), "acknowledged");
  EXPECT_STREQ(to_string(static_cast<stop_state>(8)), "?");
  EXPECT_STREQ(to_string(static_cast<trace_kind>(~0u)), "?");
}

TEST(cpu, a_zero_record_reads_absent) {
  EXPECT_EQ(stop_state{}, stop_state::absent);
}

}  // namespace
