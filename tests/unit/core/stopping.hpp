// SPDX-License-Identifier: BSL-1.0
#pragma once
// Records of four CPUs on the scripted machine, for the tests of stop_cpus.hpp.

#include <lastcpu/stop_cpus.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace lastcpu::test {

inline constexpr fake_registers later{0xbad, 2};
inline constexpr rung irq_then_nmi[] = {{stop_how::irq, 100}, {stop_how::nmi, 200}};

// What a test breaks that climbs the rungs alone: fake_machine::breaks().
inline constexpr const char* asks_uncommitted = "promise 3: a CPU that has not committed sends a stop";

struct stopping : testing::Test {
  using sent = fake_machine::sent;

  fake_machine m;
  panic_cpu<fake_platform> gate;
  lastcpu::stop_cpus<fake_platform> cpus;

  // What a handler does, without its park.
  void answer(cpu_id cpu, stop_state how, fake_registers regs = crash) {
    m.as(cpu, [&] {
      cpus.save_registers(cpu, &regs);
      cpus.acknowledge(cpu, how);
    });
  }
  void commit_on(cpu_id cpu) {
    m.cpu = cpu;
    ASSERT_TRUE(gate.claim(hold::final).won());
    ASSERT_TRUE(gate.commit());
  }
  auto stop_others() { return cpus.stop_others(gate, irq_then_nmi); }
};

}  // namespace lastcpu::test
