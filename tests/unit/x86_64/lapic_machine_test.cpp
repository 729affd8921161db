// SPDX-License-Identifier: BSL-1.0
// lapic_bus: how the real APIC is reached. What leaves no trace in memory is read from the machine code.
#include <lastcpu/platform/x86_64/lapic.hpp>

#include <gtest/gtest.h>

#include "machine_code.hpp"
#include "privileged.hpp"

namespace lapic_machine_test {
namespace {

using namespace lastcpu::x86;

struct kernel {
  alignas(4096) static inline uint32_t page[1024];
  static volatile void* lapic_page() noexcept { return page; }
  static uint64_t ticks_per_second() noexcept { return 3'000'000; }
};
using bus = lapic_bus<kernel>;

TEST(lapic_bus, fence_is_mfence_and_then_lfence) {
  const machine_code code(bus::fence);
  const size_t first = code.find({0x0f, 0xae, 0xf0});
  ASSERT_NE(first, machine_code::absent) << "mfence: stores before it are visible";
  const size_t second = code.find({0x0f, 0xae, 0xe8});
  ASSERT_NE(second, machine_code::absent) << "lfence: a wrmsr behind it waits for that";
  EXPECT_GT(second, first);
}

TEST(lapic_bus, a_register_is_a_word_of_the_page_at_its_offset) {
  for (const uint32_t offset : {0x20u, 0xb0u, 0x300u, 0x310u, 0x530u}) {
    kernel::page[offset / 4] = offset + 1;
    EXPECT_EQ(bus::read(offset), offset + 1);
    bus::write(offset, ~offset);
    EXPECT_EQ(kernel::page[offset / 4], ~offset);
  }
}

TEST(lapic_bus, a_message_has_nearly_a_millisecond_to_leave) {
  EXPECT_EQ(bus::bound(), 3'000'000u >> 10);
  const uint64_t before = rdtsc();
  const uint64_t now = bus::now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, rdtsc());
}

struct uncalibrated : kernel {
  static uint64_t ticks_per_second() noexcept { return 0; }
};
TEST(lapic_bus, a_message_has_time_to_leave_before_the_clock_is_calibrated) {
  EXPECT_EQ(lapic_bus<uncalibrated>::bound(), 4'000'000u);
}

struct in_megahertz : kernel {
  static uint64_t ticks_per_second() noexcept { return 1023; }
};
TEST(lapic_bus, a_message_has_time_to_leave_where_the_rate_is_in_another_unit) {
  EXPECT_EQ(lapic_bus<in_megahertz>::bound(), 4'000'000u);
}

TEST(lapic_bus, msrs_are_the_machines) {
  privileged::begin();
  privileged::other_msrs = 0x1234'5678'9abc'def0;
  EXPECT_EQ(bus::rdmsr(0x802), 0x1234'5678'9abc'def0u);
  bus::wrmsr(0x830, 0x0000'012c'0000'4400);
  EXPECT_EQ(privileged::take(), (lines{"rdmsr 802", "wrmsr 830 12c00004400"}));
}

}  // namespace
}  // namespace lapic_machine_test
