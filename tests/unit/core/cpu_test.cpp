// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/cpu.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace cpu_test {
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

// The bits of a full set fill its words; what lies behind them is somebody else's.
TEST(cpu_set, touches_nothing_behind_its_last_word) {
  struct {
    cpu_set<32> set;
    uint32_t behind = ~0u;
  } a;
  EXPECT_FALSE(a.set.contains(32));
  EXPECT_EQ(members(a.set), std::vector<cpu_id>{});
  a.behind = 0;
  EXPECT_FALSE(a.set.add(32));
  EXPECT_EQ(a.behind, 0u);
  a.behind = ~0u;
  EXPECT_TRUE(a.set.empty());
  EXPECT_TRUE(a.set.add(31));
  EXPECT_EQ(members(a.set), std::vector<cpu_id>{31});
  EXPECT_EQ(sizeof(cpu_set<32>), 4u);
  EXPECT_EQ(sizeof(cpu_set<33>), 8u);
}

TEST(cpu_set, new_one_is_empty_whatever_lay_in_its_memory) {
  alignas(cpu_set<70>) unsigned char memory[sizeof(cpu_set<70>)];
  for (unsigned char& c : memory) static_cast<volatile unsigned char&>(c) = 0xff;
  EXPECT_TRUE((new (memory) cpu_set<70>)->empty());
}

TEST(cpu, names_are_those_of_their_values) {
  const char* states[] = {"absent", "running", "parked", "by irq", "by nmi", "forced", "silent", "gone"};
  for (uint32_t i = 0; i < 8; ++i) EXPECT_STREQ(to_string(static_cast<stop_state>(i)), states[i]);
  const char* kinds[] = {"claim_won",  "claim_lost", "pending_set",  "released",  "pending_taken", "committed",
                         "step_begun", "stop_sent",  "acknowledged", "withdrawn", "parked"};
  for (uint32_t i = 0; i < 11; ++i) EXPECT_STREQ(to_string(static_cast<trace_kind>(i)), kinds[i]);
  EXPECT_STREQ(to_string(static_cast<trace_kind>(11)), "?");
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

TEST(cpu, no_number_and_no_deadline_are_the_largest_values) {
  EXPECT_EQ(no_cpu, UINT32_MAX);
  EXPECT_EQ(no_deadline, UINT64_MAX);
}

TEST(cpu, a_zero_record_reads_absent) {
  EXPECT_EQ(stop_state{}, stop_state::absent);
}

}  // namespace
}  // namespace cpu_test
