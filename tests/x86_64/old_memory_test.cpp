// SPDX-License-Identifier: BSL-1.0
// The reader of the dead kernel's memory, over x86-64's page tables. This program's addresses stand for physical ones.
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include <gtest/gtest.h>

#include <cstring>

#include <sys/mman.h>

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
  h.map_bytes = data + 7;
  EXPECT_FALSE(read(address, out));
  h.map_bytes = 4;
  EXPECT_FALSE(read(address, out)) << "less than a word";
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
