// SPDX-License-Identifier: BSL-1.0
#pragma once
// The general registers of a CPU: the frame that the entry stubs (entry.hpp) build on the stack, what is saved of a CPU
// that stops, and what the crash kernel reads. The order is that of the register block in an ELF NT_PRSTATUS note
// (`error_code` is orig_rax there, and the last six words of that block are not here).

#include <lastcpu/detail/begin.hpp>

#include <stddef.h>
#include <stdint.h>

/// What the port for bare x86-64 is made of.
namespace lastcpu::x86 {

/// The frame, from its lowest address on.
struct registers {
  ///@{
  /// The register of this name.
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t error_code;  ///< 0 where the exception brings none
  uint64_t rip, cs, rflags, rsp, ss;
  ///@}
};
static_assert(sizeof(registers) == 168 && offsetof(registers, rbp) == 32 && offsetof(registers, rdi) == 112 &&
                  offsetof(registers, rip) == 128 && offsetof(registers, ss) == 160,
              "lastcpu: the entry stubs and capture() write this layout");

/// The registers of the caller, as they are when this has returned: rip and rsp are the caller's, and so is rbp, so that
/// a walk along the frame pointers begins in the caller. Registers that a call clobbers are what they were before it.
/// Any context. The caller's code segment and flags are read, nothing is changed.
[[gnu::naked, gnu::noinline]] inline void capture(registers& /* in rdi */) noexcept {
  asm("movq %r15, (%rdi)\n\t"
      "movq %r14, 8(%rdi)\n\t"
      "movq %r13, 16(%rdi)\n\t"
      "movq %r12, 24(%rdi)\n\t"
      "movq %rbp, 32(%rdi)\n\t"
      "movq %rbx, 40(%rdi)\n\t"
      "movq %r11, 48(%rdi)\n\t"
      "movq %r10, 56(%rdi)\n\t"
      "movq %r9, 64(%rdi)\n\t"
      "movq %r8, 72(%rdi)\n\t"
      "movq %rax, 80(%rdi)\n\t"
      "movq %rcx, 88(%rdi)\n\t"
      "movq %rdx, 96(%rdi)\n\t"
      "movq %rsi, 104(%rdi)\n\t"
      "movq %rdi, 112(%rdi)\n\t"
      "pushfq\n\t"
      "popq 144(%rdi)\n\t"
      "subq $-128, %rdi\n\t"  // short offsets from here on
      "movq (%rsp), %rax\n\t"
      "movq %rax, (%rdi)\n\t"  // rip
      "leaq 8(%rsp), %rax\n\t"
      "movq %rax, 24(%rdi)\n\t"  // rsp
      "movl %cs, %eax\n\t"
      "movq %rax, 8(%rdi)\n\t"
      "movl %ss, %eax\n\t"
      "movq %rax, 32(%rdi)\n\t"
      "xorl %eax, %eax\n\t"
      "movq %rax, -8(%rdi)\n\t"  // error_code
      "ret");
}

/// f(name, value) for each, the most telling first: for a report.
template <class F>
constexpr void for_each_register(const registers& r, F f) noexcept {
  f("rip", r.rip), f("rsp", r.rsp), f("rbp", r.rbp), f("rflags", r.rflags);
  f("rax", r.rax), f("rbx", r.rbx), f("rcx", r.rcx), f("rdx", r.rdx);
  f("rsi", r.rsi), f("rdi", r.rdi), f("r8", r.r8), f("r9", r.r9);
  f("r10", r.r10), f("r11", r.r11), f("r12", r.r12), f("r13", r.r13);
  f("r14", r.r14), f("r15", r.r15), f("cs", r.cs), f("ss", r.ss);
  f("error", r.error_code);
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
