// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/gate_word.hpp>
#include <lastcpu/platform/x86_64/machine_check.hpp>

#include <gtest/gtest.h>

#include "privileged.hpp"

namespace {

using namespace lastcpu;

struct fake_domain {
  gate_word word;
  bool has_parked = false;
  uint32_t stopped = 0;
  [[nodiscard]] const fake_domain& gate() const { return *this; }
  [[nodiscard]] const fake_domain& cpus() const { return *this; }
  [[nodiscard]] gate_word read() const { return word; }
  [[nodiscard]] bool acknowledged(cpu_id cpu) const { return cpu == 2 && has_parked; }
  void handle_nmi(const x86::registers&) {
    privileged::note("does not come back");
    ++stopped;
  }
};

struct kernel {
  static cpu_id this_cpu() noexcept { return 2; }
};

lines machine_check_with(gate_word word, uint32_t& stopped, bool has_parked = false) {
  privileged::begin();
  fake_domain domain{word, has_parked};
  x86::machine_check_on_parked<kernel>(domain, x86::registers{});
  stopped = domain.stopped;
  return privileged::take();
}

TEST(machine_check_on_parked, is_the_kernels_before_somebody_has_committed_and_on_the_owner) {
  uint32_t stopped = 0;
  EXPECT_EQ(machine_check_with(gate_word{}, stopped), lines{});
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(5, phase::panicking), stopped), lines{});
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(2, phase::dumping), stopped), lines{});
  EXPECT_EQ(stopped, 0u);
}

TEST(machine_check_on_parked, is_forgotten_on_a_loser_that_waits_and_goes_on_as_its_panic) {
  uint32_t stopped = 0;
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(5, phase::panicking), stopped, true), lines{"wrmsr 17a 0"});
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(5, phase::trial), stopped, true), lines{"wrmsr 17a 0"});
  EXPECT_EQ(stopped, 0u);
}

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

TEST(machine_check_on_parked, is_forgotten_and_stops_this_cpu_once_another_has_committed) {
  uint32_t stopped = 0;
  const lines in_this_order{"wrmsr 17a 0", "does not come back"};
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(5, phase::dumping), stopped), in_this_order);
  EXPECT_EQ(stopped, 1u);
}

}  // namespace
