// SPDX-License-Identifier: BSL-1.0
#pragma once
// Out of the modes in which a CPU ignores INIT or holds NMIs back: a crash kernel could not take it over.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// IA32_EFER.
inline constexpr uint32_t msr_efer = 0xc000'0080;
/// EFER.SVME: SVM is on.
inline constexpr uint64_t efer_svme = 1u << 12;
/// CR4.VMXE: VMXON is allowed.
inline constexpr uint64_t cr4_vmxe = 1u << 13;

namespace detail {

template <class Hw>
inline void leave_svm() noexcept {
  const uint64_t efer = Hw::rdmsr(msr_efer);
  if ((efer & efer_svme) == 0) return;
  Hw::stgi();  // first: afterwards it would be an invalid instruction
  Hw::wrmsr(msr_efer, efer & ~efer_svme);
}

template <class Hw, class Kernel>
inline void leave_vmx() noexcept {
  const uint64_t cr4 = Hw::read_cr4();
  if ((cr4 & cr4_vmxe) == 0) return;
  bool inside = true;
  if constexpr (has_in_vmx_operation<Kernel>) inside = Kernel::in_vmx_operation();
  if (inside) Hw::vmxoff();
  Hw::write_cr4(cr4 & ~cr4_vmxe);
}

}  // namespace detail

/// Ends VMX operation and SVM on this CPU. Interrupts off; any context. Does nothing where neither is on.
///
/// `Kernel::in_vmx_operation()` is optional and says whether this CPU has run VMXON; without it, CR4.VMXE must mean that
/// it has, since VMXOFF outside VMX operation is an invalid instruction. A stop NMI between VMXOFF and the clearing of
/// CR4.VMXE meets that exception; the panic it becomes is a loser's, which does not come
/// here a third time and parks. An NMI that stgi lets in runs before SVME is cleared, and does the same over again. Out of
/// line: a CPU that stops and the owner come here.
template <class Kernel, class Hw = hardware>
[[gnu::noinline]] inline void leave_virtualisation() noexcept {
  detail::leave_vmx<Hw, Kernel>();
  detail::leave_svm<Hw>();
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
