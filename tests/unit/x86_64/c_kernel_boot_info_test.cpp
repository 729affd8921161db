// SPDX-License-Identifier: BSL-1.0
// The C example's reader of what a boot loader hands over, as it stands.
#define LASTCPU_CONFIG "c_kernel/lastcpu_config.h"
#include <gtest/gtest.h>

#include <string>
#include <vector>

extern "C" {
#include "c_kernel/boot_info.c"
}
#undef panic  // kernel.h's

namespace {

constexpr uint32_t room = sizeof boot.ram / sizeof *boot.ram;

struct c_kernel_boot_info : testing::Test {
  std::vector<uint64_t> words{0};  // all sizes, which is not looked at

  c_kernel_boot_info() { boot = {"", 0, 0, 0, {{0, 0}}, 0}; }
  void tag(uint32_t type, const std::vector<uint32_t>& content) {
    words.push_back(type | uint64_t{8 + 4 * content.size()} << 32);
    for (size_t i = 0; i < content.size(); i += 2)
      words.push_back(content[i] | uint64_t{i + 1 < content.size() ? content[i + 1] : 0xee} << 32);
  }
  void memory_map(uint32_t entry_bytes, uint32_t count) {
    std::vector<uint32_t> content{entry_bytes, 0};
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t type = i % 2 == 0 ? 1 : 2;  // RAM, reserved
      for (const uint32_t word : {0u, i, 0x1000u, 0u, type, 0u}) content.push_back(word);
    }
    tag(6, content);
  }
  void read() {
    words.push_back(uint64_t{8} << 32);
    read_boot_info(reinterpret_cast<uintptr_t>(words.data()), 1);
  }
  [[nodiscard]] uint64_t content_of(size_t word) const { return reinterpret_cast<uintptr_t>(words.data() + word + 1); }
};

TEST_F(c_kernel_boot_info, has_command_line_and_ram_wherever_they_stand) {
  tag(21, {1, 2, 3});
  tag(1, {0x74696e69, 0x313d});  // "init=1"
  memory_map(24, 3);
  read();
  EXPECT_STREQ(boot.command_line, "init=1");
  ASSERT_EQ(boot.ram_count, 2u);
  EXPECT_EQ(boot.ram[1].physical, uint64_t{2} << 32);
  EXPECT_EQ(boot.ram[1].bytes, 0x1000u);
}

TEST_F(c_kernel_boot_info, first_module_that_has_bytes_is_the_file) {
  tag(3, {0x200'0000, 0x200'0000, 0});
  tag(3, {0x300'0000, 0x300'1234, 0});
  tag(3, {0x400'0000, 0x400'0001, 0});
  read();
  EXPECT_EQ(boot.file, 0x300'0000u);
  EXPECT_EQ(boot.file_bytes, 0x1234u);
}

TEST_F(c_kernel_boot_info, later_rsdp_counts_in_either_order) {
  for (const bool later_first : {false, true}) {
    words = {0};
    boot.rsdp = 0;
    tag(later_first ? 15 : 14, {1, 2});
    tag(later_first ? 14 : 15, {3, 4});
    read();
    EXPECT_EQ(boot.rsdp, content_of(later_first ? 1 : 3));
  }
}

TEST_F(c_kernel_boot_info, rsdp_of_acpi_1_is_better_than_none) {
  tag(14, {1, 2});
  read();
  EXPECT_EQ(boot.rsdp, content_of(1));
}

TEST_F(c_kernel_boot_info, entries_of_a_map_that_are_too_small_are_not_read) {
  for (const uint32_t entry_bytes : {0u, 23u}) memory_map(entry_bytes, 2);
  read();
  EXPECT_EQ(boot.ram_count, 0u);
}

TEST_F(c_kernel_boot_info, tag_without_a_size_is_the_last_one) {
  words.push_back(21);
  tag(14, {1, 2});
  read();
  EXPECT_EQ(boot.rsdp, 0u);
}

TEST_F(c_kernel_boot_info, more_ranges_than_there_is_room_for_are_left_out) {
  memory_map(24, 2 * room + 2);
  read();
  EXPECT_EQ(boot.ram_count, room);
  EXPECT_EQ(boot.ram[room - 1].physical, uint64_t{2 * (room - 1)} << 32);
}

TEST_F(c_kernel_boot_info, pvh_has_the_same) {
  const start_module modules[] = {{0x300'0000, 0x1234, 0, 0}, {0x400'0000, 1, 0, 0}};
  const std::vector<start_memory> memory(room + 1, start_memory{0x10'0000, 0x1000, 1, 0});
  start_info info{};
  info.version = 1, info.module_count = 2, info.modules = reinterpret_cast<uintptr_t>(modules);
  info.command_line = reinterpret_cast<uintptr_t>("panic=0"), info.rsdp = 0xf'5a20;
  info.memory_map = reinterpret_cast<uintptr_t>(memory.data()), info.memory_map_entries = room + 1;
  read_boot_info(reinterpret_cast<uintptr_t>(&info), 0);
  EXPECT_STREQ(boot.command_line, "panic=0");
  EXPECT_EQ(boot.file, 0x300'0000u);
  EXPECT_EQ(boot.file_bytes, 0x1234u);
  EXPECT_EQ(boot.rsdp, 0xf'5a20u);
  EXPECT_EQ(boot.ram_count, room);
}

}  // namespace
