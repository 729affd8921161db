// SPDX-License-Identifier: BSL-1.0
#pragma once
// Can this CPU run code at an address? Asked of the reserved region when a crash kernel is loaded: what forbids it, a
// no-execute bit at any level of the page tables, or SMEP and a user page, would be found by the jump otherwise, which is
// too late.
//
// By trying: some bytes are put there, called, and what was there is put back. No handler of the kernel knows of it, and
// none of its tables is read but the IDT: while the bytes run, this CPU has a copy of the exceptions' gates, in which the
// page fault's alone differs. It takes the one fault that was expected, and hands any other, as one inside an NMI, on to
// the kernel's handler (on the stack where it is found: the gate has no IST).
// Thread context, ring 0, with room for 600 bytes of stack. Says yes without trying where an exception does not go through
// the IDT (FRED), or is seen by a shadow stack, which would miss its return.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/platform/x86_64/descriptors.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu::x86 {

/// The CPU that can_execute() asks; a test gives its own.
struct probe_machine {
  ///@{
  /// What can_execute() needs of it.
  [[nodiscard]] static bool can_be_asked() noexcept {
    constexpr uint64_t fred = uint64_t{1} << 32, cet = 1u << 23, shadow_stack = 1;
    constexpr uint32_t supervisor_cet = 0x6a2;
    const uint64_t cr4 = read_cr4();
    return (cr4 & fred) == 0 && ((cr4 & cet) == 0 || (rdmsr(supervisor_cet) & shadow_stack) == 0);
  }
  [[nodiscard]] static uint64_t interrupts_off() noexcept {
    const uint64_t before = read_flags();
    cli();
    return before;
  }
  static void restore_interrupts(uint64_t before) noexcept {
    if ((before & flag_interrupts) != 0) sti();
  }
  [[nodiscard]] static uint16_t code_selector() noexcept { return read_cs(); }
  [[nodiscard]] static pseudo_descriptor idt() noexcept { return sidt(); }
  static void use_idt(const pseudo_descriptor& d) noexcept { lidt(d); }
  ///@}
};

namespace detail {

struct probe_tables {
  interrupt_gate gates[32];     // interrupts are off: no vector from 32 on comes
  uint64_t kernels_page_fault;  // its handler
};
static_assert(offsetof(probe_tables, kernels_page_fault) == 512, "lastcpu: probe_page_fault() finds it there");

inline constexpr unsigned char probe_code[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x31, 0xc0, 0xc3};  // endbr64; xor eax, eax; ret

/// 0 when the code at the address ran; the address when it did not.
[[gnu::naked, gnu::noinline]] inline uint64_t run_probe(const unsigned char* /* in rdi */) noexcept {
  asm("movq %rdi, %rax\n\t"
      "call *%rax\n\t"
      "ret");
}

// A fault at the first instruction of the probe, whose address is still in RAX: it could not be fetched, for it touches no
// memory. Goes on behind the call. Any other one is the kernel's; its handler's address lies behind the gates.
[[gnu::naked, gnu::noinline]] inline void probe_page_fault() noexcept {
  asm("endbr64\n\t"
      "cmpq %rax, 8(%rsp)\n\t"  // where it was
      "jne 1f\n\t"
      "movq 32(%rsp), %rsp\n\t"
      "ret\n"
      "1:\n\t"
      "subq $8, %rsp\n\t"
      "pushq %rax\n\t"
      "subq $16, %rsp\n\t"
      "sidt (%rsp)\n\t"
      "movq 2(%rsp), %rax\n\t"
      "movq 512(%rax), %rax\n\t"
      "movq %rax, 24(%rsp)\n\t"
      "addq $16, %rsp\n\t"
      "popq %rax\n\t"
      "ret");
}

inline void copy_gates(const pseudo_descriptor& from, probe_tables& to, uint16_t code_selector) noexcept {
  constexpr uint32_t page_fault = 14;
  const uint64_t bytes = uint64_t{from.limit} + 1;
  kexec::zero_bytes(reinterpret_cast<unsigned char*>(&to), sizeof to);
  kexec::copy_bytes(reinterpret_cast<unsigned char*>(to.gates), reinterpret_cast<const unsigned char*>(from.base),
                    bytes < sizeof to.gates ? bytes : sizeof to.gates);
  to.kernels_page_fault = to.gates[page_fault].handler();
  to.gates[page_fault] = interrupt_gate::to(reinterpret_cast<uint64_t>(&probe_page_fault), code_selector);
}

}  // namespace detail

/// Whether this CPU can run code at `at`. Thread context, ring 0. Seven bytes there are writable, and nobody else uses
/// them meanwhile; they are what they were afterwards.
template <class Machine = probe_machine>
[[nodiscard]] inline bool can_execute(unsigned char* at) noexcept {
  if (!Machine::can_be_asked()) return true;
  unsigned char kept[sizeof detail::probe_code];
  kexec::copy_bytes(kept, at, sizeof kept);
  kexec::copy_bytes(at, detail::probe_code, sizeof kept);
  const uint64_t flags = Machine::interrupts_off();
  const pseudo_descriptor idt = Machine::idt();
  detail::probe_tables tables;
  detail::copy_gates(idt, tables, Machine::code_selector());
  Machine::use_idt({sizeof tables.gates - 1, reinterpret_cast<uint64_t>(tables.gates)});
  const bool ran = detail::run_probe(at) == 0;
  Machine::use_idt(idt);
  Machine::restore_interrupts(flags);
  kexec::copy_bytes(at, kept, sizeof kept);
  return ran;
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
