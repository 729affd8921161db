// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine check on a CPU that has stopped, or has to, must not take the dump with it.

#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

inline constexpr uint32_t msr_mcg_status = 0x17a;

/// First thing in the handler of a machine check (vector 18, a stack of its own): one load when nothing is going on.
/// Where another CPU has committed, this one is stopped for good, if it has not been already, and never returns: the
/// error is forgotten, so that the next one does not shut the machine down, and the CPU goes back to where it parks.
/// Otherwise it returns: the error is the kernel's.
template <class Hw = hardware, class Domain>
inline void machine_check_on_parked(Domain& domain, const registers& regs) noexcept {
  const auto seen = domain.gate().read();
  if (!seen.is_committed()) [[likely]]
    return;
  if (domain.gate().on_this_cpu()) return;  // whose it is does not change any more
  Hw::wrmsr(msr_mcg_status, 0);
  (void)domain.handle_nmi(regs);
}

}  // namespace lastcpu::x86
