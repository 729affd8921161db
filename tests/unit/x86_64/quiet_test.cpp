// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/quiet.hpp>

#include <gtest/gtest.h>

#include <utility>

#include "access_log.hpp"

namespace quiet_test {
namespace {

using namespace lastcpu::x86;

// An IO-APIC: a select register and a window.
struct io_apic {
  uint32_t selected = 0;
  uint32_t registers[0x210] = {};
};

struct machine {
  static inline access_log log;
  static void out8(uint16_t port, uint8_t v) noexcept { log.add("out8", port, v); }
  static uint32_t read32(volatile void* base, uint32_t offset) noexcept {
    auto& a = *static_cast<io_apic*>(const_cast<void*>(base));
    return offset == 0x10 ? a.registers[a.selected] : a.selected;
  }
  static void write32(volatile void* base, uint32_t offset, uint32_t v) noexcept {
    auto& a = *static_cast<io_apic*>(const_cast<void*>(base));
    if (offset == 0) {
      a.selected = v;
    } else if (offset == 0x10) {
      log.add("redirect", a.selected, v);
      a.registers[a.selected] = v;
    }
  }
};

io_apic first, second;

struct kernel_with_two {
  static volatile void* io_apic(uint32_t i) noexcept { return i == 0 ? &first : i == 1 ? &second : nullptr; }
};
struct kernel_with_endless_ones {
  static inline uint32_t asked = 0;
  static volatile void* io_apic(uint32_t) noexcept { return ++asked, &first; }
};
struct kernel_without {};

TEST(quiet, masks_the_second_pic_before_the_first) {
  mask_legacy_pics<machine>();
  EXPECT_EQ(machine::log.take(), (lines{"out8 a1 ff", "out8 21 ff"}));
}

TEST(quiet, masks_every_redirection_entry_and_keeps_the_rest_of_it) {
  first = {};
  first.registers[1] = 2u << 16 | 0x20;  // three entries
  first.registers[0x10] = 0x31;
  first.registers[0x11] = 0x0200'0000;
  first.registers[0x12] = 0x1'a032;
  first.registers[0x14] = 0x433;
  mask_io_apic<machine>(&first);
  EXPECT_EQ(machine::log.take(), (lines{"redirect 10 10031", "redirect 12 1a032", "redirect 14 10433"}));
  EXPECT_EQ(first.registers[0x11], 0x0200'0000u);
}

TEST(quiet, leaves_the_firmwares_smi_alone) {
  first = {};
  first.registers[1] = 1u << 16;
  first.registers[0x10] = 0x200;
  mask_io_apic<machine>(&first);
  EXPECT_EQ(machine::log.take(), lines{"redirect 12 10000"});
}

TEST(quiet, a_version_register_of_all_ones_is_not_followed_out_of_the_table) {
  first = {};
  first.registers[1] = 0xffff'ffff;
  mask_io_apic<machine>(&first);
  EXPECT_EQ(machine::log.take().size(), 240u);
}

TEST(quiet, has_240_entries_at_most_and_counts_them_in_one_byte) {
  for (const auto& [version, entries] :
       {std::pair{0xff02'0020u, 3u}, {0xee'0020u, 239u}, {0xef'0020u, 240u}, {0xf0'0020u, 240u}, {0x0020u, 1u}}) {
    first = {};
    first.registers[1] = version;
    mask_io_apic<machine>(&first);
    EXPECT_EQ(machine::log.take().size(), entries) << version;
  }
}

TEST(quiet, masks_every_way_of_delivery_but_the_smi) {
  for (uint32_t mode = 0; mode < 8; ++mode) {
    first = {};
    first.registers[0x10] = mode << 8 | 0x31;
    mask_io_apic<machine>(&first);
    EXPECT_EQ(first.registers[0x10] >> 16, mode == 2 ? 0u : 1u) << mode;
    (void)machine::log.take();
  }
}

TEST(quiet, asks_the_kernel_for_io_apics_until_there_is_none) {
  first = second = {};
  mask_io_apics<kernel_with_two, machine>();
  EXPECT_EQ(machine::log.take(), (lines{"redirect 10 10000", "redirect 10 10000"}));
  EXPECT_EQ(second.registers[0x10], 0x1'0000u);
  mask_io_apics<kernel_without, machine>();
  EXPECT_EQ(machine::log.take(), lines{});
  mask_io_apics<kernel_with_endless_ones, machine>();
  EXPECT_EQ(kernel_with_endless_ones::asked, 64u);
}

}  // namespace
}  // namespace quiet_test
