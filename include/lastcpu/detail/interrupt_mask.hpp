// SPDX-License-Identifier: BSL-1.0
#pragma once
// Interrupts off and back on this CPU, for a port that has no word of its own for it. A panic must not be moved to another
// CPU by a tick: the gate is the CPU's, not the thread's.
//
//     using irq_state = lastcpu::detail::interrupt_mask;
//     static irq_state irq_save() noexcept { return lastcpu::detail::mask_interrupts(); }
//     static void irq_restore(irq_state s) noexcept { lastcpu::detail::unmask_interrupts(s); }
//
// Kernel mode only. RISC-V: supervisor mode, unless LASTCPU_RISCV_MACHINE_MODE is 1. NMIs, faults, and on Arm FIQs, stay
// open. The compiler moves no access to memory across either.

#include <stdint.h>

#ifndef LASTCPU_RISCV_MACHINE_MODE
#define LASTCPU_RISCV_MACHINE_MODE 0
#endif

namespace lastcpu::detail {

/// What the CPU had before, as its own register says it.
using interrupt_mask = uintptr_t;

#if defined(__x86_64__) || defined(__i386__)

[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  interrupt_mask flags;
  asm volatile("pushf\n\tpop %0\n\tcli" : "=r"(flags) : : "memory");
  return flags;
}
inline void unmask_interrupts(interrupt_mask before) noexcept {
  if ((before & 0x200) != 0) asm volatile("sti" : : : "memory");
}

#elif defined(__aarch64__)

[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  interrupt_mask daif;
  asm volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif) : : "memory");
  return daif;
}
inline void unmask_interrupts(interrupt_mask before) noexcept {
  asm volatile("msr daif, %0" : : "r"(before) : "memory");
}

#elif defined(__arm__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  interrupt_mask primask;
  asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask) : : "memory");
  return primask;
}
inline void unmask_interrupts(interrupt_mask before) noexcept {
  asm volatile("msr primask, %0" : : "r"(before) : "memory");
}

#elif defined(__arm__)

[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  interrupt_mask cpsr;
  asm volatile("mrs %0, cpsr\n\tcpsid i" : "=r"(cpsr) : : "memory");
  return cpsr;
}
inline void unmask_interrupts(interrupt_mask before) noexcept {
  asm volatile("msr cpsr_c, %0" : : "r"(before) : "memory");
}

#elif defined(__riscv)

// Also for platform/riscv/registers.hpp. gcc's assembler wants to be told of what every machine of this kind has.
#if defined(__clang__) || defined(__riscv_zicsr)
#define LASTCPU_RISCV_DETAIL_CSR(instruction) instruction
#else
#define LASTCPU_RISCV_DETAIL_CSR(instruction) ".option push\n\t.option arch, +zicsr\n\t" instruction "\n\t.option pop"
#endif

[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  interrupt_mask status;
#if LASTCPU_RISCV_MACHINE_MODE
  asm volatile(LASTCPU_RISCV_DETAIL_CSR("csrrci %0, mstatus, 8") : "=r"(status) : : "memory");
#else
  asm volatile(LASTCPU_RISCV_DETAIL_CSR("csrrci %0, sstatus, 2") : "=r"(status) : : "memory");
#endif
  return status;
}
inline void unmask_interrupts(interrupt_mask before) noexcept {
#if LASTCPU_RISCV_MACHINE_MODE
  asm volatile(LASTCPU_RISCV_DETAIL_CSR("csrs mstatus, %0") : : "r"(before & 8) : "memory");
#else
  asm volatile(LASTCPU_RISCV_DETAIL_CSR("csrs sstatus, %0") : : "r"(before & 2) : "memory");
#endif
}

#else

// An error where it is used only.
template <bool Known = false>
[[nodiscard]] inline interrupt_mask mask_interrupts() noexcept {
  static_assert(Known, "lastcpu does not know how this machine masks interrupts: supply irq_save() and irq_restore()");
  return 0;
}
template <bool Known = false>
inline void unmask_interrupts(interrupt_mask) noexcept {
  static_assert(Known, "lastcpu does not know how this machine masks interrupts: supply irq_save() and irq_restore()");
}
#endif

}  // namespace lastcpu::detail
