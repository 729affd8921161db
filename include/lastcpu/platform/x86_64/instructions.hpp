// SPDX-License-Identifier: BSL-1.0
#pragma once
// Machine instructions as functions, one each. Privileged ones fault outside ring 0. Any context.
//
// Those after which the machine may see memory, or memory may be another one, are barriers for the compiler. None is a
// fence for the machine unless it says so.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

///@{
/// A port, of 8, 16 or 32 bits.
[[nodiscard, gnu::always_inline]] inline uint8_t in8(uint16_t port) noexcept {
  uint8_t v;
  asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
  return v;
}
[[nodiscard, gnu::always_inline]] inline uint16_t in16(uint16_t port) noexcept {
  uint16_t v;
  asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
  return v;
}
[[nodiscard, gnu::always_inline]] inline uint32_t in32(uint16_t port) noexcept {
  uint32_t v;
  asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
  return v;
}
[[gnu::always_inline]] inline void out8(uint16_t port, uint8_t v) noexcept {
  asm volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
[[gnu::always_inline]] inline void out16(uint16_t port, uint16_t v) noexcept {
  asm volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
[[gnu::always_inline]] inline void out32(uint16_t port, uint32_t v) noexcept {
  asm volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
///@}

/// A model-specific register. #GP where there is none of this number.
[[nodiscard, gnu::always_inline]] inline uint64_t rdmsr(uint32_t number) noexcept {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return uint64_t{high} << 32 | low;
}
/// Writes one. Some numbers (x2APIC, TSC deadline) are not even ordered against earlier stores: mfence(), lfence()
/// first.
[[gnu::always_inline]] inline void wrmsr(uint32_t number, uint64_t v) noexcept {
  asm volatile("wrmsr" ::"c"(number), "a"(static_cast<uint32_t>(v)), "d"(static_cast<uint32_t>(v >> 32)) : "memory");
}

///@{
/// A control register.
[[nodiscard, gnu::always_inline]] inline uint64_t read_cr0() noexcept {
  uint64_t v;
  asm volatile("movq %%cr0, %0" : "=r"(v)::"memory");
  return v;
}
[[nodiscard, gnu::always_inline]] inline uint64_t read_cr2() noexcept {
  uint64_t v;
  asm volatile("movq %%cr2, %0" : "=r"(v)::"memory");
  return v;
}
[[nodiscard, gnu::always_inline]] inline uint64_t read_cr3() noexcept {
  uint64_t v;
  asm volatile("movq %%cr3, %0" : "=r"(v)::"memory");
  return v;
}
[[nodiscard, gnu::always_inline]] inline uint64_t read_cr4() noexcept {
  uint64_t v;
  asm volatile("movq %%cr4, %0" : "=r"(v)::"memory");
  return v;
}
[[gnu::always_inline]] inline void write_cr0(uint64_t v) noexcept {
  asm volatile("movq %0, %%cr0" ::"r"(v) : "memory");
}
[[gnu::always_inline]] inline void write_cr3(uint64_t v) noexcept {
  asm volatile("movq %0, %%cr3" ::"r"(v) : "memory");
}
[[gnu::always_inline]] inline void write_cr4(uint64_t v) noexcept {
  asm volatile("movq %0, %%cr4" ::"r"(v) : "memory");
}
///@}

/// 0: no breakpoint or watchpoint of this CPU is armed.
[[gnu::always_inline]] inline void write_dr7(uint64_t v) noexcept {
  asm volatile("movq %0, %%dr7" ::"r"(v) : "memory");
}

///@{
/// The task priority in bits 0-3, in both modes of the local APIC: interrupts of this class (vector / 16) and below wait.
[[nodiscard, gnu::always_inline]] inline uint64_t read_cr8() noexcept {
  uint64_t v;
  asm volatile("movq %%cr8, %0" : "=r"(v)::"memory");
  return v;
}
[[gnu::always_inline]] inline void write_cr8(uint64_t v) noexcept {
  asm volatile("movq %0, %%cr8" ::"r"(v) : "memory");
}
///@}

/// RFLAGS. Steps over the red zone, where there is one: the compiler does not see the push. gcc 12's builtin for this pops
/// into another stack slot than it reads.
[[nodiscard, gnu::always_inline]] inline uint64_t read_flags() noexcept {
  uint64_t v;
  asm volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tpopq %0\n\tleaq 128(%%rsp), %%rsp" : "=r"(v)::"memory");
  return v;
}
/// RFLAGS.IF: interrupts are on.
inline constexpr uint64_t flag_interrupts = 1u << 9;

///@{
/// Interrupts off and on, on this CPU; NMIs are neither's.
[[gnu::always_inline]] inline void cli() noexcept {
  asm volatile("cli" ::: "memory");
}
[[gnu::always_inline]] inline void sti() noexcept {
  asm volatile("sti" ::: "memory");
}
///@}
/// One hlt: until an interrupt that is not masked, an NMI, an SMI.
[[gnu::always_inline]] inline void halt() noexcept {
  asm volatile("hlt" ::: "memory");
}
/// Lets interrupts in and sleeps until one comes, in one breath: one that is pending already ends it, too.
[[gnu::always_inline]] inline void sti_halt() noexcept {
  asm volatile("sti\n\thlt" ::: "memory");
}
/// This is a loop that waits.
[[gnu::always_inline]] inline void pause() noexcept {
  asm volatile("pause" ::: "memory");
}
/// int3.
[[gnu::always_inline]] inline void breakpoint() noexcept {
  asm volatile("int3" ::: "memory");
}

/// Arms the monitor on the cache line of `address`, which must be ordinary write-back memory.
[[gnu::always_inline]] inline void monitor(const volatile void* address) noexcept {
  asm volatile("monitor" ::"a"(address), "c"(0), "d"(0) : "memory");
}
/// Sleeps until the line is written, or an interrupt, an NMI, an SMI; returns at once when nothing is armed. A masked
/// interrupt does not end it.
[[gnu::always_inline]] inline void mwait() noexcept {
  asm volatile("mwait" ::"a"(0), "c"(0) : "memory");
}

///@{
/// Together they make earlier stores visible before a later wrmsr that is not serialising.
[[gnu::always_inline]] inline void mfence() noexcept {
  asm volatile("mfence" ::: "memory");
}
[[gnu::always_inline]] inline void lfence() noexcept {
  asm volatile("lfence" ::: "memory");
}
///@}
/// Ticks since reset. Not ordered against loads and stores around it.
[[nodiscard, gnu::always_inline]] inline uint64_t rdtsc() noexcept {
  uint64_t v;
  asm volatile("rdtsc\n\tshlq $32, %%rdx\n\torq %%rdx, %%rax" : "=a"(v) : : "rdx", "cc");
  return v;
}

/// What cpuid() leaves.
struct cpuid_result {
  ///@{
  /// The register of this name.
  uint32_t eax, ebx, ecx, edx;
  ///@}
};
/// What this CPU can do. Serialises; in a virtual machine it is an exit.
[[nodiscard, gnu::always_inline]] inline cpuid_result cpuid(uint32_t leaf, uint32_t subleaf = 0) noexcept {
  cpuid_result r;
  asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf) : "memory");
  return r;
}

/// What lgdt, lidt, sgdt and sidt read and write.
struct [[gnu::packed]] pseudo_descriptor {
  uint16_t limit;  ///< bytes - 1
  uint64_t base;   ///< address
};
static_assert(sizeof(pseudo_descriptor) == 10);

///@{
/// From here on this CPU uses this table.
[[gnu::always_inline]] inline void lgdt(const pseudo_descriptor& d) noexcept {
  asm volatile("lgdt %0" ::"m"(d) : "memory");
}
[[gnu::always_inline]] inline void lidt(const pseudo_descriptor& d) noexcept {
  asm volatile("lidt %0" ::"m"(d) : "memory");
}
///@}
/// Where this CPU's GDT is: names the CPU, when each has its own, in any context, an NMI with any GS included.
[[nodiscard, gnu::always_inline]] inline pseudo_descriptor sgdt() noexcept {
  pseudo_descriptor d;
  asm volatile("sgdt %0" : "=m"(d));
  return d;
}
/// Where this CPU's IDT is.
[[nodiscard, gnu::always_inline]] inline pseudo_descriptor sidt() noexcept {
  pseudo_descriptor d;
  asm volatile("sidt %0" : "=m"(d));
  return d;
}
/// The selector of the code that runs.
[[nodiscard, gnu::always_inline]] inline uint16_t read_cs() noexcept {
  uint32_t v;
  asm volatile("movl %%cs, %0" : "=r"(v));
  return static_cast<uint16_t>(v);
}
/// From here on this CPU uses this TSS.
[[gnu::always_inline]] inline void ltr(uint16_t selector) noexcept {
  asm volatile("ltr %0" ::"r"(selector) : "memory");
}
/// Forgets the translation of this address, on this CPU.
[[gnu::always_inline]] inline void invlpg(const volatile void* address) noexcept {
  asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/// Leaves VMX operation; #UD when the CPU is not in it.
[[gnu::always_inline]] inline void vmxoff() noexcept {
  asm volatile("vmxoff" ::: "cc", "memory");
}
/// Sets the global interrupt flag of SVM; #UD when EFER.SVME is clear. What was held back is delivered at once.
[[gnu::always_inline]] inline void stgi() noexcept {
  asm volatile("stgi" ::: "memory");
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
