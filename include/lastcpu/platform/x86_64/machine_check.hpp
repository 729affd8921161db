// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine check on a CPU that has stopped, or has to, must not take the dump with it.

#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

inline constexpr uint32_t msr_mcg_status = 0x17a;
inline constexpr uint64_t cr4_machine_check = 1u << 6;

/// First thing in the handler of a machine check (vector 18, a stack of its own): one load when nothing is going on.
/// On a CPU that has lost the race, or has to stop, the error is forgotten, so that the next one does not shut the
/// machine down. Where another CPU has committed it does not return: this one is stopped for good, if it has not been
/// already. Otherwise it returns: the error is the kernel's, and a loser's goes on as a panic, which waits as before.
template <class Kernel, class Hw = hardware, class Domain>
inline void machine_check_on_parked(Domain& domain, const registers& regs) noexcept {
  const auto seen = domain.gate().read();
  if (seen.is_open()) [[likely]]
    return;
  const cpu_id me = Kernel::this_cpu();
  if (seen.owner() == me || (!seen.is_committed() && !domain.cpus().acknowledged(me))) return;
  Hw::wrmsr(msr_mcg_status, 0);
  if (seen.is_committed()) (void)domain.handle_nmi(regs);
}

/// On a CPU that stops, whatever it was doing: a machine check that it was handling is over, so that the next one does
/// not shut the machine down. Where a machine check comes to every CPU at once, all but one lose in its handler.
template <class Hw = hardware>
inline void forget_machine_check() noexcept {
  constexpr uint64_t in_progress = 4;
  if ((Hw::read_cr4() & cr4_machine_check) == 0) return;  // there may be no such register
  if ((Hw::rdmsr(msr_mcg_status) & in_progress) != 0) Hw::wrmsr(msr_mcg_status, 0);
}

/// The rest of a handler that may return: ends the error, so that the next one does not shut the machine down. False when
/// the interrupted code can't go on (its rip is not the one it stopped at): it must not be returned to.
template <class Hw = hardware>
[[nodiscard]] inline bool end_machine_check() noexcept {
  constexpr uint64_t restart_ip_valid = 1;
  const uint64_t status = Hw::rdmsr(msr_mcg_status);
  Hw::wrmsr(msr_mcg_status, 0);
  return (status & restart_ip_valid) != 0;
}

}  // namespace lastcpu::x86
