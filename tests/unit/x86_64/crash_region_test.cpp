// SPDX-License-Identifier: BSL-1.0
// The example kernel's choice of the crash kernel's region.
#include "kernel/crash_region.hpp"

#include <gtest/gtest.h>

#include <string>

namespace crash_region_test {
namespace {

using crash_region::mib;
using crash_region::wish;
using lastcpu::kexec::ram_map;

ram_map memory_of(uint64_t megabytes) {
  ram_map out{};
  out.add(0, 0x9'f000);
  out.add(mib, (megabytes - 1) * mib);
  return out;
}

std::string refusal(const char* value) {
  wish w;
  const char* wrong = crash_region::read(value, w);
  EXPECT_TRUE(wrong == nullptr || (w.bytes == wish{}.bytes && w.at == 0)) << "a refused wish changes nothing";
  return wrong != nullptr ? wrong : "";
}

uint64_t place_of(const wish& w, const ram_map& ram, const boot_file& file = {}) {
  uint64_t at = 0;
  return crash_region::find(w, ram, file, at) == nullptr ? at / mib : 0;
}

TEST(crash_region, is_16_mib_when_nothing_is_said) {
  wish w;
  EXPECT_EQ(crash_region::read("", w), nullptr);
  EXPECT_EQ(w.bytes, 16 * mib);
  EXPECT_EQ(w.at, 0u);
}

TEST(crash_region, has_the_size_and_the_place_that_are_asked_for) {
  wish w;
  EXPECT_EQ(crash_region::read("96M@160M", w), nullptr);
  EXPECT_EQ(w.bytes, 96 * mib);
  EXPECT_EQ(w.at, 160 * mib);
  EXPECT_EQ(crash_region::read("256M", w), nullptr);
  EXPECT_EQ(w.bytes, 256 * mib);
  EXPECT_EQ(w.at, 0u);
}

// A PC whose memory has a hole there may have no other.
TEST(crash_region, may_lie_at_any_mib_and_above_4_gib) {
  wish w;
  EXPECT_EQ(crash_region::read("16M@157M", w), nullptr);
  EXPECT_EQ(place_of(w, memory_of(256)), 157u);
  EXPECT_EQ(crash_region::read("16M@4257M", w), nullptr);
  EXPECT_EQ(place_of(w, memory_of(2048)), 0u);
  ram_map ram = memory_of(2048);
  ram.add(4096 * mib, 1024 * mib);
  EXPECT_EQ(place_of(w, ram), 4257u);
  for (const uint64_t at : {3072u, 4095u}) {
    ram_map without_a_hole{};
    without_a_hole.add(mib, 8192 * mib);
    w.at = at * mib;
    EXPECT_EQ(place_of(w, without_a_hole), 0u) << "devices are there";
  }
}

TEST(crash_region, refuses_what_is_no_size) {
  for (const char* value : {"M", "96", "96G", "96MB", "96M@", "96M@64", "96M@0M", "@64M", "-2M", "96M@64M@64M"})
    EXPECT_NE(refusal(value).find("no size"), std::string::npos) << value;
}

TEST(crash_region, refuses_sizes_and_places_that_cannot_be_mapped) {
  for (const char* value : {"0M", "1M", "17M", "258M", "18446744073709551616M", "17592186044416M"})
    EXPECT_NE(refusal(value).find("from 2 to 256"), std::string::npos) << value;
  for (const char* value : {"16M@1M", "16M@63M"})
    EXPECT_NE(refusal(value).find("from 64 MiB on"), std::string::npos) << value;
}

TEST(crash_region, begins_at_64_mib_where_nothing_is_in_the_way) {
  EXPECT_EQ(place_of({16 * mib, 0}, memory_of(128)), 64u);
  EXPECT_EQ(place_of({64 * mib, 0}, memory_of(128)), 64u);
  EXPECT_EQ(place_of({66 * mib, 0}, memory_of(128)), 0u);
}

TEST(crash_region, makes_room_for_the_file_that_is_to_be_loaded) {
  EXPECT_EQ(place_of({96 * mib, 0}, memory_of(512), {100 * mib + 1, 15 * mib}), 116u);
  EXPECT_EQ(place_of({96 * mib, 0}, memory_of(512), {160 * mib, 15 * mib}), 64u) << "it ends where the file begins";
  EXPECT_EQ(place_of({96 * mib, 0}, memory_of(256), {150 * mib, 15 * mib}), 0u);
  EXPECT_EQ(place_of({96 * mib, 128 * mib}, memory_of(512), {200 * mib, 1}), 0u);
}

TEST(crash_region, is_in_one_range_of_memory) {
  ram_map ram{};
  ram.add(mib, 99 * mib);
  ram.add(101 * mib, 155 * mib);
  EXPECT_EQ(place_of({16 * mib, 0}, ram), 64u);
  EXPECT_EQ(place_of({64 * mib, 0}, ram), 102u);
  EXPECT_EQ(place_of({64 * mib, 64 * mib}, ram), 0u);
}

TEST(crash_region, stays_below_the_devices) {
  ram_map ram{};
  ram.add(2900 * mib, 4000 * mib);
  EXPECT_EQ(place_of({172 * mib, 0}, ram), 2900u);
  EXPECT_EQ(place_of({174 * mib, 0}, ram), 0u);
  EXPECT_EQ(place_of({16 * mib, 3060 * mib}, ram), 0u);
}

}  // namespace
}  // namespace crash_region_test
