// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>

#include "core_in_memory.hpp"

namespace core_plan_test {
namespace {

using dump_test::core_in_memory;

std::string ranges_of(core_in_memory& core) {
  core_plan plan;
  if (!plan.read(core.header(), core_in_memory::header_bytes)) return "refused";
  std::string out;
  for (uint32_t i = 0; i < plan.count(); ++i)
    out += std::to_string(plan[i].offset) + ":" + std::to_string(plan[i].physical) + "+" +
           std::to_string(plan[i].bytes) + " ";
  return out + "= " + std::to_string(plan.memory_bytes()) + " in " + std::to_string(plan.file_bytes());
}

TEST(core_plan, each_range_of_memory_is_there_once_in_the_order_of_the_file) {
  core_in_memory core;
  core.add({1, 8192, 0x1000, 8192});
  core.add({1, 16384, 0x5000, 4096});
  EXPECT_EQ(ranges_of(core), "8192:4096+8192 16384:20480+4096 = 12288 in 20480");
}

TEST(core_plan, a_segment_of_the_image_that_lies_in_a_range_is_not_written_again) {
  core_in_memory core;
  core.add({1, 8192, 0x1000, 16384});
  core.add({1, 12288, 0x2000, 4096});
  core.add({1, 24576, 0x9000, 4096});
  EXPECT_EQ(ranges_of(core), "8192:4096+16384 24576:36864+4096 = 20480 in 28672");
}

TEST(core_plan, a_core_without_memory_is_its_header) {
  core_in_memory core;
  EXPECT_EQ(ranges_of(core), "= 0 in 8192");
}

TEST(core_plan, more_ranges_than_there_is_room_for_are_refused) {
  std::vector<unsigned char> header(16384);
  core_in_memory small;
  std::memcpy(header.data(), small.header(), 64 + 56);
  const auto put = [&header](uint64_t at, auto v) { std::memcpy(header.data() + at, &v, sizeof v); };
  for (uint64_t i = 0; i <= core_plan::most_ranges; ++i) {
    const uint64_t at = 64 + (i + 1) * 56;
    put(at, uint32_t{1});
    put(at + 8, header.size() + i * 4096);
    put(at + 32, uint64_t{4096});
  }
  core_plan plan;
  put(56, uint16_t{core_plan::most_ranges + 1});
  EXPECT_TRUE(plan.read(header.data(), header.size()));
  EXPECT_EQ(plan.count(), core_plan::most_ranges);
  put(56, uint16_t{core_plan::most_ranges + 2});
  EXPECT_FALSE(plan.read(header.data(), header.size()));
}

}  // namespace
}  // namespace core_plan_test
