// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/restart.hpp>

#include <gtest/gtest.h>

#include "access_log.hpp"

namespace restart_test {
namespace {

using namespace lastcpu::x86;

constexpr uint64_t second = 1'000'000;
constexpr uint64_t patience = 62'500, between_writes = 61;

// One tick is a microsecond here, and passes with each look at the clock.
struct machine {
  static inline access_log log;
  static inline uint64_t clock = 0;
  static inline uint8_t reset_control = 0, keyboard_status = 0;
  static inline uint32_t busy_reads = 0;
  static inline std::vector<uint64_t> when;

  static uint8_t in8(uint16_t port) noexcept {
    if (port == 0xcf9) return reset_control;
    if (port != 0x64) log.add("in8", port);
    if (busy_reads != 0) return --busy_reads, uint8_t{2};
    return keyboard_status;
  }
  static void out8(uint16_t port, uint8_t v) noexcept { note(), log.add("out8", port, v); }
  static void drop_idt() noexcept { note(), log.add("no idt"); }
  static void breakpoint() noexcept { log.add("breakpoint"); }
  static inline uint64_t efer = 0, cr4 = 0;
  static uint64_t rdmsr(uint32_t) noexcept { return efer; }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { log.add("wrmsr", number, v); }
  static uint64_t read_cr4() noexcept { return cr4; }
  static void write_cr4(uint64_t v) noexcept { log.add("cr4", v); }
  static void vmxoff() noexcept { log.add("vmxoff"); }
  static void stgi() noexcept { log.add("stgi"); }
  static uint64_t now() noexcept { return clock++; }
  static inline uint32_t pauses = 0;
  static void pause() noexcept { ++pauses; }
  static void note() noexcept { when.push_back(clock); }
};

struct kernel {};

lines restarted(uint8_t reset_control, uint32_t busy_reads, uint8_t keyboard_status = 0, uint64_t clock = 0) {
  machine::clock = clock;
  machine::when.clear();
  machine::reset_control = reset_control;
  machine::busy_reads = busy_reads;
  machine::keyboard_status = keyboard_status;
  restart<kernel, machine>(second);
  return machine::log.take();
}

TEST(restart, goes_down_the_ladder) {
  EXPECT_EQ(restarted(0, 0), (lines{"out8 cf9 2", "out8 cf9 6", "out8 64 fe", "no idt", "breakpoint"}));
}

TEST(restart, leaves_virtualisation_behind_the_ports_and_where_a_fault_is_the_restart) {
  machine::cr4 = 0x26f0;
  EXPECT_EQ(restarted(0, 0),
            (lines{"out8 cf9 2", "out8 cf9 6", "out8 64 fe", "no idt", "vmxoff", "cr4 6f0", "breakpoint"}));
  machine::cr4 = 0;
  machine::efer = 0x1d01;
  EXPECT_EQ(restarted(0, 0),
            (lines{"out8 cf9 2", "out8 cf9 6", "out8 64 fe", "no idt", "stgi", "wrmsr c0000080 d01", "breakpoint"}));
  machine::efer = 0;
}

TEST(restart, keeps_the_other_bits_of_the_reset_control_register) {
  const lines log = restarted(0xff, 0);
  EXPECT_EQ(log[0], "out8 cf9 f3");
  EXPECT_EQ(log[1], "out8 cf9 f7");
}

TEST(restart, gives_each_way_its_time) {
  (void)restarted(0, 0);
  ASSERT_EQ(machine::when.size(), 4u);
  EXPECT_GE(machine::when[1] - machine::when[0], between_writes) << "between the two writes";
  EXPECT_GE(machine::when[2] - machine::when[1], patience);
  EXPECT_GE(machine::when[3] - machine::when[2], patience);
}

TEST(restart, waits_for_the_keyboard_controller_to_take_the_command) {
  (void)restarted(0, 1000);
  EXPECT_GE(machine::when[2] - machine::when[1], patience + 1'000);
  EXPECT_EQ(machine::busy_reads, 0u);
}

TEST(restart, looks_at_the_one_bit_that_says_the_keyboard_controller_is_busy) {
  (void)restarted(0, 0, 0xfd);
  EXPECT_LE(machine::when[2] - machine::when[1], patience + 10);
  (void)restarted(0, 0, 0x02);
  EXPECT_GE(machine::when[2] - machine::when[1], 2 * patience);
}

TEST(restart, waits_no_longer_than_it_says) {
  (void)restarted(0, 0);
  EXPECT_LE(machine::when[1] - machine::when[0], between_writes + 5);
  EXPECT_LE(machine::when[2] - machine::when[1], patience + 10);
  EXPECT_LE(machine::when[3] - machine::when[2], patience + 10);
}

TEST(restart, pauses_while_it_waits) {
  machine::pauses = 0;
  (void)restarted(0, 0);
  EXPECT_NEAR(machine::pauses, 2 * patience + between_writes, 10);
  machine::pauses = 0;
  (void)restarted(0, 1000);
  EXPECT_NEAR(machine::pauses, 2 * patience + between_writes + 1'000, 10);
}

TEST(restart, pauses_once_for_each_look_that_finds_the_keyboard_controller_busy) {
  machine::keyboard_status = 0;
  for (const uint32_t busy_reads : {0u, 1u, 3u}) {
    machine::busy_reads = busy_reads;
    machine::pauses = 0;
    EXPECT_TRUE(detail::keyboard_controller_ready<machine>(patience));
    EXPECT_EQ(machine::pauses, busy_reads);
  }
  (void)machine::log.take();
}

TEST(restart, over_the_end_of_the_clock_takes_no_longer) {
  EXPECT_EQ(restarted(0, 0, 2, ~uint64_t{0} - 60'000).back(), "breakpoint");
  EXPECT_LE(machine::clock, 3 * patience - 59'000);
}

TEST(restart, a_keyboard_controller_that_is_not_there_costs_a_bounded_time) {
  EXPECT_EQ(restarted(0xff, 0, 0xff).back(), "breakpoint");
  EXPECT_LE(machine::clock, second / 5);
}

}  // namespace
}  // namespace restart_test
