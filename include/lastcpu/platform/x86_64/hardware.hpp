// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine as a template argument: what resettable.hpp, quiet.hpp, restart.hpp, wait.hpp, doze.hpp and machine_check.hpp
// act on. A test gives its own type with the members that the function in question uses, and sees every access.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// The real machine.
struct hardware {
  ///@{
  /// One instruction or one access each; ring 0.
  [[nodiscard]] static uint8_t in8(uint16_t port) noexcept { return x86::in8(port); }
  static void out8(uint16_t port, uint8_t v) noexcept { x86::out8(port, v); }
  [[nodiscard]] static uint64_t rdmsr(uint32_t number) noexcept { return x86::rdmsr(number); }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { x86::wrmsr(number, v); }
  [[nodiscard]] static uint64_t read_cr4() noexcept { return x86::read_cr4(); }
  static void write_cr4(uint64_t v) noexcept { x86::write_cr4(v); }
  static void vmxoff() noexcept { x86::vmxoff(); }
  static void stgi() noexcept { x86::stgi(); }
  [[nodiscard]] static cpuid_result cpuid(uint32_t leaf) noexcept { return x86::cpuid(leaf); }
  static void monitor(const volatile void* address) noexcept { x86::monitor(address); }
  static void mwait() noexcept { x86::mwait(); }
  static void pause() noexcept { x86::pause(); }
  [[nodiscard]] static uint64_t read_cr8() noexcept { return x86::read_cr8(); }
  static void write_cr8(uint64_t v) noexcept { x86::write_cr8(v); }
  static void sti_halt() noexcept { x86::sti_halt(); }
  static void cli() noexcept { x86::cli(); }
  // Out of line: who asks here waits.
  [[nodiscard, gnu::noinline]] static uint64_t now() noexcept { return rdtsc(); }
  [[nodiscard]] static uint32_t read32(volatile void* base, uint32_t offset) noexcept {
    return *(static_cast<volatile uint32_t*>(base) + offset / 4);
  }
  static void write32(volatile void* base, uint32_t offset, uint32_t v) noexcept {
    *(static_cast<volatile uint32_t*>(base) + offset / 4) = v;
  }
  ///@}
  /// From here on any exception finds no descriptor table: the CPU shuts down, and the machine resets it.
  static void drop_idt() noexcept { lidt(pseudo_descriptor{0, 0}); }
  /// int3.
  static void breakpoint() noexcept { x86::breakpoint(); }
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
