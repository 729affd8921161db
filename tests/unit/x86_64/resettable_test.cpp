// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/resettable.hpp>

#include <gtest/gtest.h>

#include "access_log.hpp"

namespace resettable_test {
namespace {

using namespace lastcpu::x86;

struct cpu {
  static inline uint64_t efer = 0, cr4 = 0;
  static inline access_log log;
  static uint64_t rdmsr(uint32_t number) noexcept { return number == 0xc000'0080 ? efer : 0; }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { log.add("wrmsr", number, efer = v); }
  static uint64_t read_cr4() noexcept { return cr4; }
  static void write_cr4(uint64_t v) noexcept { log.add("cr4", cr4 = v); }
  static void vmxoff() noexcept { log.add("vmxoff"); }
  static void stgi() noexcept { log.add("stgi"); }
};

struct plain_kernel {};
template <bool Answer>
struct knowing_kernel {
  static bool in_vmx_operation() noexcept { return Answer; }
};

template <class Kernel>
lines leave(uint64_t efer, uint64_t cr4) {
  cpu::efer = efer;
  cpu::cr4 = cr4;
  leave_virtualisation<Kernel, cpu>();
  return cpu::log.take();
}

TEST(leave_virtualisation, does_nothing_where_neither_mode_is_on) {
  EXPECT_EQ(leave<plain_kernel>(0xd01, 0x6f0), lines{});
  EXPECT_EQ(leave<knowing_kernel<true>>(0xd01, 0x6f0), lines{});
}

TEST(leave_virtualisation, ends_vmx_operation_before_its_bit_in_cr4) {
  EXPECT_EQ(leave<plain_kernel>(0xd01, 0x26f0), (lines{"vmxoff", "cr4 6f0"}));
}

TEST(leave_virtualisation, executes_no_vmxoff_where_the_kernel_says_that_it_would_be_invalid) {
  EXPECT_EQ(leave<knowing_kernel<false>>(0xd01, 0x26f0), lines{"cr4 6f0"});
  EXPECT_EQ(leave<knowing_kernel<true>>(0xd01, 0x26f0), (lines{"vmxoff", "cr4 6f0"}));
}

TEST(leave_virtualisation, sets_the_global_interrupt_flag_while_svm_is_still_on) {
  EXPECT_EQ(leave<plain_kernel>(0x1d01, 0x6f0), (lines{"stgi", "wrmsr c0000080 d01"}));
}

TEST(leave_virtualisation, a_second_time_does_nothing) {
  (void)leave<plain_kernel>(0x1d01, 0x26f0);
  EXPECT_EQ(leave<plain_kernel>(cpu::efer, cpu::cr4), lines{});
}

}  // namespace
}  // namespace resettable_test
