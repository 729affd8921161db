// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/stop_report.hpp>

#include <gtest/gtest.h>

namespace stop_report_test {
namespace {

using namespace lastcpu;

TEST(stop_report, knows_nothing_at_first) {
  const stop_report<3> report;
  EXPECT_EQ(report.status(), stop_status::none);
  EXPECT_EQ(report.count(stop_state::absent), 3u);
  for (cpu_id cpu = 0; cpu < 3; ++cpu) EXPECT_FALSE(report.registers_valid(cpu));
}

TEST(stop_report, keeps_each_state_with_and_without_registers) {
  for (const stop_state s : {stop_state::absent, stop_state::running, stop_state::parked, stop_state::by_irq,
                             stop_state::by_nmi, stop_state::forced, stop_state::silent, stop_state::gone}) {
    stop_report<3> report;
    report.set(1, s, true);
    report.set(2, s, false);
    EXPECT_EQ(report.state(1), s);
    EXPECT_EQ(report.state(2), s);
    EXPECT_TRUE(report.registers_valid(1));
    EXPECT_FALSE(report.registers_valid(2));
    EXPECT_EQ(report.state(0), stop_state::absent);
  }
}

TEST(stop_report, later_word_on_a_cpu_replaces_the_earlier_one) {
  stop_report<2> report;
  report.set(1, stop_state::by_nmi, true);
  report.set(1, stop_state::silent, false);
  EXPECT_EQ(report.state(1), stop_state::silent);
  EXPECT_FALSE(report.registers_valid(1));
}

TEST(stop_report, counts_the_cpus_of_one_state) {
  stop_report<4> report;
  report.set(0, stop_state::running, true);
  report.set(1, stop_state::by_nmi, true);
  report.set(3, stop_state::by_nmi, false);
  EXPECT_EQ(report.count(stop_state::by_nmi), 2u);
  EXPECT_EQ(report.count(stop_state::silent), 0u);
}

TEST(stop_report, ignores_a_cpu_that_does_not_exist) {
  stop_report<2> report;
  for (const cpu_id cpu : {cpu_id{2}, no_cpu}) {
    report.set(cpu, stop_state::by_nmi, true);
    EXPECT_EQ(report.state(cpu), stop_state::absent);
    EXPECT_FALSE(report.registers_valid(cpu));
  }
  EXPECT_EQ(report.count(stop_state::by_nmi), 0u);
}

TEST(stop_report, takes_a_byte_for_each_cpu_in_whole_words) {
  EXPECT_EQ(sizeof(stop_report<sizeof(uintptr_t)>), 2 * sizeof(uintptr_t));
  EXPECT_EQ(sizeof(stop_report<sizeof(uintptr_t) + 1>), 3 * sizeof(uintptr_t));
  EXPECT_EQ(sizeof(stop_report<1>), 2 * sizeof(uintptr_t));
}

TEST(stop_report, new_one_is_empty_whatever_lay_in_its_memory) {
  alignas(stop_report<9>) unsigned char memory[sizeof(stop_report<9>)];
  for (unsigned char& c : memory) static_cast<volatile unsigned char&>(c) = 0xff;
  const auto* report = new (memory) stop_report<9>;
  EXPECT_EQ(report->count(stop_state::absent), 9u);
  EXPECT_EQ(report->status(), stop_status::none);
}

TEST(stop_report, is_empty_at_compile_time_too) {
  static constexpr stop_report<9> report;
  static_assert(report.count(stop_state::absent) == 9 && report.status() == stop_status::none);
  EXPECT_FALSE(report.registers_valid(8));
}

TEST(stop_report, carries_its_status) {
  stop_report<2> report;
  report.set_status(stop_status::some_silent);
  EXPECT_EQ(report.status(), stop_status::some_silent);
}

}  // namespace
}  // namespace stop_report_test
