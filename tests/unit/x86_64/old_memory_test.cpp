// SPDX-License-Identifier: BSL-1.0
// The reader of the dead kernel's memory, over x86-64's page tables. This program's addresses stand for physical ones.
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include <sys/mman.h>

namespace old_memory_test {
namespace {

using lastcpu::kexec::handover;
using lastcpu::kexec::ram_map;
using lastcpu::kexec::ram_range;
using old_memory = lastcpu::kexec::old_memory<lastcpu::x86::page_walk>;

constexpr uint64_t page = 4096;
constexpr uint64_t mapped_bytes = uint64_t{1} << 47;
constexpr uint64_t address = 0xffff'8123'4567'8000;

uint64_t pages(uint64_t n, int protection) {
  return reinterpret_cast<uint64_t>(mmap(nullptr, n * page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
uint64_t& word(uint64_t physical) {
  return *reinterpret_cast<uint64_t*>(physical);
}

// Four tables and a page, and behind them a device: a load from it ends this program.
struct old_memory_test : testing::Test {
  const uint64_t ram = pages(6, PROT_READ | PROT_WRITE);
  const uint64_t device = pages(2, PROT_NONE);
  const uint64_t data = ram + 4 * page;
  handover h{};

  old_memory_test() {
    h.page_tables = ram | 0x18;
    h.page_table_levels = 4;
    h.map_bytes = mapped_bytes;
    h.ram_count = 1;
    h.ram[0] = {ram, 5 * page};
    for (uint64_t level = 0; level < 3; ++level) entry(level) = (ram + (level + 1) * page) | 3;
    entry(3) = data | 3;
    word(data) = 1234;
    word(data + 8) = 5678;
  }
  ~old_memory_test() override {
    munmap(reinterpret_cast<void*>(ram), 6 * page);
    munmap(reinterpret_cast<void*>(device), 2 * page);
  }
  // 0: the top one.
  uint64_t& entry(uint64_t level) { return word(ram + level * page + (address >> (39 - 9 * level) & 511) * 8); }
  [[nodiscard]] bool read(uint64_t at, uint64_t& out) const { return old_memory(h).read(at, out); }
};

TEST_F(old_memory_test, reads_what_the_dead_kernels_tables_map) {
  uint64_t out = 0;
  EXPECT_TRUE(read(address, out));
  EXPECT_EQ(out, 1234u);
  EXPECT_TRUE(read(address + 8, out));
  EXPECT_EQ(out, 5678u);
  EXPECT_FALSE(read(address + 4, out)) << "not aligned";
  EXPECT_FALSE(read(address + page, out)) << "not mapped";
}

TEST_F(old_memory_test, chain_that_leads_to_a_device_is_not_followed) {
  uint64_t out = 0;
  entry(3) = device | 3;
  EXPECT_FALSE(read(address, out));
}

TEST_F(old_memory_test, tables_that_have_been_damaged_are_not_looked_for_in_a_device) {
  uint64_t out = 0;
  for (uint64_t level = 0; level < 3; ++level) {
    const uint64_t before = entry(level);
    entry(level) = device | 3;
    EXPECT_FALSE(read(address, out)) << level;
    entry(level) = before;
  }
  EXPECT_FALSE(old_memory(h).with_root(device).read(address, out));
  EXPECT_TRUE(read(address, out));
}

TEST_F(old_memory_test, word_that_ends_behind_its_range_is_not_read) {
  uint64_t out = 0;
  entry(3) = (ram + 5 * page) | 3;
  EXPECT_FALSE(read(address, out)) << "one page behind";
  h.ram[0].bytes = 4 * page + 8;
  entry(3) = data | 3;
  EXPECT_TRUE(read(address, out));
  EXPECT_FALSE(read(address + 8, out));
  h.ram[0].bytes = 4 * page + 12;
  EXPECT_FALSE(read(address + 8, out)) << "half of it";
}

TEST_F(old_memory_test, memory_that_is_not_mapped_here_is_not_read) {
  uint64_t out = 0;
  h.map_bytes = data + 8;
  EXPECT_TRUE(read(address, out));
  EXPECT_TRUE(old_memory(h).is_readable(data, 8));
  h.map_bytes = data + 7;
  EXPECT_FALSE(read(address, out));
  EXPECT_FALSE(old_memory(h).is_readable(data, 8));
  h.map_bytes = 4;
  EXPECT_FALSE(read(address, out)) << "less than a word";
}

TEST_F(old_memory_test, large_pages_are_followed_and_an_unknown_size_is_none) {
  uint64_t physical = 0;
  const old_memory memory(h);
  constexpr uint64_t present_and_large = 0x83;
  entry(2) = (uint64_t{6} << 21) | present_and_large;
  EXPECT_TRUE(memory.translate(address, physical));
  EXPECT_EQ(physical, (uint64_t{6} << 21) + address % (2 << 20));
  entry(1) = (uint64_t{3} << 30) | present_and_large;
  EXPECT_TRUE(memory.translate(address, physical));
  EXPECT_EQ(physical, (uint64_t{3} << 30) + address % (1 << 30));
  entry(0) = (uint64_t{3} << 39) | present_and_large;
  EXPECT_FALSE(memory.translate(address, physical)) << "512 GiB: bit 7 is reserved there, the address leads nowhere";
}

TEST_F(old_memory_test, no_execute_and_the_bits_of_software_are_no_address) {
  uint64_t out = 0;
  entry(3) = data | 0xfff0'0000'0000'0e03;
  EXPECT_TRUE(read(address, out));
  EXPECT_EQ(out, 1234u);
}

TEST_F(old_memory_test, five_levels_have_one_more_table) {
  const uint64_t top = pages(1, PROT_READ | PROT_WRITE);
  h.ram[h.ram_count++] = {top, page};
  word(top + (address >> 48 & 511) * 8) = ram | 3;
  h.page_table_levels = 5;
  h.page_tables = top;
  uint64_t out = 0;
  EXPECT_TRUE(read(address, out));
  EXPECT_EQ(out, 1234u);
  h.page_table_levels = 4;
  EXPECT_FALSE(read(address, out));
  munmap(reinterpret_cast<void*>(top), page);
}

TEST_F(old_memory_test, address_that_is_not_canonical_is_not_mapped) {
  uint64_t out = 0;
  for (const uint64_t bit : {uint64_t{1} << 63, uint64_t{1} << 48, uint64_t{1} << 55})
    EXPECT_FALSE(read(address ^ bit, out)) << bit;
  for (const uint32_t levels : {0u, 1u, 3u, 6u, ~0u}) {
    h.page_table_levels = levels;
    EXPECT_FALSE(read(address, out)) << levels;
  }
}

TEST_F(old_memory_test, words_of_any_size_and_bytes_are_read) {
  const old_memory memory(h);
  uint32_t four = 0;
  uint16_t two = 0;
  EXPECT_TRUE(memory.read(address + 4, four));
  EXPECT_EQ(four, 0u);
  EXPECT_TRUE(memory.read(address + 8, two));
  EXPECT_EQ(two, 5678u);
  EXPECT_FALSE(memory.read(address + 9, two));
  EXPECT_TRUE(memory.read_physical(data + 8, two));
  EXPECT_FALSE(memory.read_physical(device, two));
}

TEST_F(old_memory_test, copy_goes_over_pages_that_lie_apart) {
  const old_memory memory(h);
  h.ram[0].bytes = 6 * page;
  word(ram + 3 * page + (address >> 12 & 511) * 8 + 8) = (ram + 3 * page) | 3;  // the last table itself
  std::vector<unsigned char> out(3 * page, 0xee);
  EXPECT_TRUE(memory.copy(address + 50, out.data(), page));
  EXPECT_EQ(std::memcmp(out.data(), reinterpret_cast<const char*>(data + 50), page - 50), 0);
  EXPECT_EQ(std::memcmp(out.data() + page - 50, reinterpret_cast<const char*>(ram + 3 * page), 50), 0);
  EXPECT_EQ(out[page], 0xee);
  EXPECT_FALSE(memory.copy(address + 50, out.data(), 2 * page)) << "the third page is not mapped";
  EXPECT_FALSE(memory.copy(~uint64_t{0} - 10, out.data(), 20)) << "it wraps";
  EXPECT_TRUE(memory.copy(~uint64_t{0}, out.data(), 0));
  EXPECT_TRUE(memory.copy_physical(data + 1, out.data(), page - 1));
  EXPECT_FALSE(memory.copy_physical(ram + 5 * page, out.data(), page + 1)) << "into the device";
}

TEST_F(old_memory_test, memory_of_two_ranges_that_touch_is_one) {
  h.ram_count = 2;
  h.ram[0].bytes = 4 * page + 4;
  h.ram[1] = {data + 4, page - 4};
  uint64_t out = 0;
  EXPECT_TRUE(read(address, out));
  h.ram[1] = {data + 5, page - 5};
  EXPECT_FALSE(read(address, out));
}

TEST_F(old_memory_test, backtrace_follows_frame_pointers_to_their_end) {
  const old_memory memory(h);
  uint64_t at[8] = {};
  word(data + 0x100) = address + 0x200, word(data + 0x108) = 22;
  word(data + 0x200) = address + 0x180, word(data + 0x208) = 33;
  word(data + 0x180) = 0, word(data + 0x188) = 44;
  EXPECT_EQ(memory.backtrace(11, address + 0x100, at, 8), 4u);
  EXPECT_EQ(at[0], 11u);
  EXPECT_EQ(at[1], 22u);
  EXPECT_EQ(at[2], 33u);
  EXPECT_EQ(at[3], 44u);
  EXPECT_EQ(memory.backtrace(11, address + 0x100, at, 2), 2u);
  EXPECT_EQ(memory.backtrace(11, address + 0x100, at, 0), 0u);
  EXPECT_EQ(memory.backtrace(11, 0x1000, at, 8), 1u) << "no kernel address";
  EXPECT_EQ(memory.backtrace(11, address + 0x101, at, 8), 1u) << "not aligned";
  EXPECT_EQ(memory.backtrace(11, address + page - 8, at, 8), 1u) << "half of the frame is not mapped";
  word(data + 0x180) = address + 0x100;
  EXPECT_EQ(memory.backtrace(11, address + 0x100, at, 8), 8u) << "in a circle";
  word(data + 0x208) = 0;
  EXPECT_EQ(memory.backtrace(11, address + 0x100, at, 8), 2u) << "nobody returns to 0";
}

TEST_F(old_memory_test, physical_memory_may_be_mapped_elsewhere) {
  h.ram[0] = {0, 6 * page};
  h.map_bytes = 6 * page;
  h.page_tables = 0;
  for (uint64_t level = 0; level < 4; ++level) entry(level) -= ram;
  uint64_t out = 0;
  EXPECT_TRUE(old_memory(h, ram).read(address, out));
  EXPECT_EQ(out, 1234u);
}

TEST_F(old_memory_test, nothing_is_read_where_no_memory_is_known) {
  h.ram_count = 0;
  uint64_t out = 0;
  EXPECT_FALSE(read(address, out));
}

TEST(ram_map, range_at_the_end_of_the_address_space_has_no_overflow) {
  ram_map map{};
  map.add(~uint64_t{0} - 15, 16);
  EXPECT_TRUE(map.contains(~uint64_t{0} - 7, 8));
  EXPECT_FALSE(map.contains(~uint64_t{0} - 7, 9));
  EXPECT_FALSE(map.contains(0, 8));
}

TEST(ram_map, counts_what_it_has_no_room_for_and_believes_no_count) {
  ram_map map{};
  for (uint64_t i = 0; i < ram_map::capacity + 3; ++i) map.add(i * page, page);
  EXPECT_EQ(map.no_room, 3u);
  EXPECT_TRUE(map.contains((ram_map::capacity - 1) * page, 1));
  EXPECT_FALSE(map.contains(ram_map::capacity * page, 1));
  struct {
    ram_map map{};
    ram_range behind{};
  } damaged;
  damaged.map.count = 1000;
  damaged.behind = {0x1000, 0x1000};
  EXPECT_FALSE(damaged.map.contains(0x1000, 8));
}

}  // namespace
}  // namespace old_memory_test
