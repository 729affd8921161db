// SPDX-License-Identifier: BSL-1.0
#pragma once
// The APIC id of the CPU that asks, by CPUID: right before anything is set up, in any context, with any GS.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// The x2APIC id where CPUID has leaf 11, else the initial APIC id of eight bits. In a virtual machine it may cost an exit.
template <class Hw = hardware>
[[nodiscard, gnu::noinline]] inline uint32_t initial_apic_id() noexcept {
  constexpr uint32_t topology = 11;
  if (Hw::cpuid(0).eax >= topology) {
    const cpuid_result r = Hw::cpuid(topology);
    if (r.ebx != 0) return r.edx;  // 0: the leaf is there by number only
  }
  return Hw::cpuid(1).ebx >> 24;
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
