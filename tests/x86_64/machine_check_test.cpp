// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/gate_word.hpp>
#include <lastcpu/platform/x86_64/machine_check.hpp>

#include <gtest/gtest.h>

#include "privileged.hpp"

namespace {

using namespace lastcpu;

struct fake_domain {
  gate_word word;
  cpu_id me = 2;
  uint32_t stopped = 0;
  [[nodiscard]] const fake_domain& gate() const { return *this; }
  [[nodiscard]] gate_word read() const { return word; }
  [[nodiscard]] bool on_this_cpu() const { return word.is_held_by(me); }
  void handle_nmi(const x86::registers&) { ++stopped; }
};

lines machine_check_with(gate_word word, uint32_t& stopped) {
  privileged::begin();
  fake_domain domain{word};
  x86::machine_check_on_parked(domain, x86::registers{});
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

TEST(machine_check_on_parked, is_forgotten_and_stops_this_cpu_once_another_has_committed) {
  uint32_t stopped = 0;
  EXPECT_EQ(machine_check_with(gate_word{}.taken_by(5, phase::dumping), stopped), lines{"wrmsr 17a 0"});
  EXPECT_EQ(stopped, 1u);
}

}  // namespace
