// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine check that is marked as being handled, and one more, are a shutdown. So no CPU dumps, stops or hands the machine
// to a crash kernel with that mark. The handler itself is in handlers.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// IA32_MCG_STATUS.
inline constexpr uint32_t msr_mcg_status = 0x17a;
/// CR4.MCE: machine checks are on.
inline constexpr uint64_t cr4_machine_check = 1u << 6;

/// On a CPU that stops, or starts the crash kernel, whatever it was doing: a machine check that it was handling is over.
/// Where a machine check comes to every CPU at once, all but one lose in its handler. Out of line: a CPU that stops and the
/// owner come here.
template <class Hw = hardware>
[[gnu::noinline]] inline void forget_machine_check() noexcept {
  constexpr uint64_t in_progress = 4;
  if ((Hw::read_cr4() & cr4_machine_check) == 0) return;  // there may be no such register
  if ((Hw::rdmsr(msr_mcg_status) & in_progress) != 0) Hw::wrmsr(msr_mcg_status, 0);
}

/// Ends the error that this handler is about. False when the interrupted code can't go on (its rip is not the one it stopped
/// at): it must not be returned to.
template <class Hw = hardware>
[[nodiscard]] inline bool end_machine_check() noexcept {
  constexpr uint64_t restart_ip_valid = 1;
  const uint64_t status = Hw::rdmsr(msr_mcg_status);
  Hw::wrmsr(msr_mcg_status, 0);
  return (status & restart_ip_valid) != 0;
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
