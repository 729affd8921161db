// SPDX-License-Identifier: BSL-1.0
#pragma once
// A note of the C interface as C++ has it, for a machine whose port is written in C++.

#include <lastcpu/c/lastcpu_kernel.h>
#include <lastcpu/cpu.hpp>

namespace lastcpu::test {

template <class Registers>
[[nodiscard]] cpu_note<Registers> note_from_c(const lastcpu_note& n) noexcept {
  return {n.cpu,
          static_cast<stop_state>(n.state),
          n.crashing != 0,
          reinterpret_cast<const Registers*>(n.registers),
          n.message,
          n.nmi_message,
          n.nested_message,
          n.cut_short != 0,
          n.panic_ticks};
}

}  // namespace lastcpu::test
