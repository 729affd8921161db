// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/machine_check.hpp>

#include <gtest/gtest.h>

namespace machine_check_test {
namespace {

using namespace lastcpu;

struct status_machine {
  static inline uint64_t status = 0, cr4 = 0;
  static uint64_t read_cr4() noexcept { return cr4; }
  static uint64_t rdmsr(uint32_t number) noexcept { return number == 0x17a ? status : 0; }
  static void wrmsr(uint32_t number, uint64_t v) noexcept {
    if (number == 0x17a) status = v;
  }
};

TEST(end_machine_check, says_whether_there_is_a_way_back_and_ends_it_either_way) {
  status_machine::status = 5;  // in progress, restart IP valid
  EXPECT_TRUE(x86::end_machine_check<status_machine>());
  EXPECT_EQ(status_machine::status, 0u);
  status_machine::status = 4;
  EXPECT_FALSE(x86::end_machine_check<status_machine>());
  EXPECT_EQ(status_machine::status, 0u);
}

TEST(forget_machine_check, ends_one_that_is_being_handled) {
  status_machine::cr4 = 0x6e0;
  status_machine::status = 5;
  x86::forget_machine_check<status_machine>();
  EXPECT_EQ(status_machine::status, 0u);
}

TEST(forget_machine_check, leaves_the_registers_alone_where_there_is_nothing_to_forget) {
  status_machine::cr4 = 0x6e0;
  status_machine::status = 1;
  x86::forget_machine_check<status_machine>();
  EXPECT_EQ(status_machine::status, 1u);
  status_machine::cr4 = 0x6a0;  // no machine checks on this CPU: there may be no such register
  status_machine::status = 5;
  x86::forget_machine_check<status_machine>();
  EXPECT_EQ(status_machine::status, 5u);
}

}  // namespace
}  // namespace machine_check_test
