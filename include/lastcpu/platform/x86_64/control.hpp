// SPDX-License-Identifier: BSL-1.0
#pragma once
// What decides about the address space of a CPU, kept by that CPU before it stops, for the handover.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// As it was in the handler that stopped the CPU: behind SWAPGS gs_base is the kernel's, and kernel_gs_base what the
/// interrupted code had.
struct control_state {
  ///@{
  /// The registers of these names; apic_base is MSR 0x1b.
  uint64_t cr0, cr2, cr3, cr4;
  uint64_t fs_base, gs_base, kernel_gs_base;
  uint64_t apic_base;
  ///@}

  /// Zeros are of no CPU: in 64-bit mode CR0 is not 0.
  [[nodiscard]] constexpr bool valid() const noexcept { return cr0 != 0; }
  /// The one that the firmware started first.
  [[nodiscard]] constexpr bool boot_cpu() const noexcept { return (apic_base & 0x100) != 0; }
};

/// The control words of the CPU that calls; ring 0, any context.
[[gnu::noinline, gnu::cold]] inline void capture_control(control_state& out) noexcept {
  constexpr uint32_t apic_base = 0x1b, fs_base = 0xc000'0100;
  out.fs_base = rdmsr(fs_base);
  out.gs_base = rdmsr(fs_base + 1);
  out.kernel_gs_base = rdmsr(fs_base + 2);
  out.apic_base = rdmsr(apic_base);
  out.cr4 = read_cr4();
  out.cr3 = read_cr3();
  out.cr2 = read_cr2();
  out.cr0 = read_cr0();  // last: it makes the rest valid
}

/// One for each CPU. A CPU with a number writes its own before it acknowledges its stop, and the owner reads it behind that.
template <class Kernel>
struct kept_control {
  /// By CPU number; the last one is for an owner without a number.
  static inline constinit control_state of_cpu[Kernel::max_cpus + 1]{};
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
