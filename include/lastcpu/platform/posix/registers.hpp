// SPDX-License-Identifier: BSL-1.0
#pragma once
// The registers of a thread, general ones only, out of a signal context or of the caller.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>
#include <ucontext.h>

namespace lastcpu {

/// What is saved of a thread.
struct posix_registers {
  ///@{
  /// How many general registers this machine has.
#if defined(__x86_64__)
  static constexpr uint32_t general_count = 16;
#elif defined(__aarch64__)
  static constexpr uint32_t general_count = 31;
#else
  static constexpr uint32_t general_count = 0;
#endif
  ///@}

  uint64_t pc;                                               ///< program counter
  uint64_t sp;                                               ///< stack pointer
  uint64_t fp;                                               ///< frame pointer
  uint64_t flags;                                            ///< RFLAGS, PSTATE
  uint64_t general[general_count != 0 ? general_count : 1];  ///< in the order of posix_register_name()
};

/// The name of general register `i`; "?" where there is none, never null.
[[nodiscard]] inline const char* posix_register_name([[maybe_unused]] uint32_t i) noexcept {
#if defined(__x86_64__)
  static constexpr const char* names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  return i < 16 ? names[i] : "?";
#elif defined(__aarch64__)
  static constexpr const char* names[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
                                          "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
                                          "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30"};
  return i < 31 ? names[i] : "?";
#else
  return "?";
#endif
}

/// The registers of the interrupted code, out of a signal handler's third argument.
[[nodiscard]] inline posix_registers registers_from(const void* ucontext) noexcept {
  posix_registers r{};
  [[maybe_unused]] const auto& m = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
#if defined(__x86_64__)
  constexpr int order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (uint32_t i = 0; i < r.general_count; ++i) r.general[i] = static_cast<uint64_t>(m.gregs[order[i]]);
  r.pc = static_cast<uint64_t>(m.gregs[REG_RIP]);
  r.sp = static_cast<uint64_t>(m.gregs[REG_RSP]);
  r.fp = static_cast<uint64_t>(m.gregs[REG_RBP]);
  r.flags = static_cast<uint64_t>(m.gregs[REG_EFL]);
#elif defined(__aarch64__)
  for (uint32_t i = 0; i < r.general_count; ++i) r.general[i] = m.regs[i];
  r.pc = m.pc;
  r.sp = m.sp;
  r.fp = m.regs[29];
  r.flags = m.pstate;
#endif
  return r;
}

/// Stores the registers that the caller has when this has returned; zero for those that a call clobbers.
#if defined(__x86_64__)
static_assert(sizeof(posix_registers) == 20 * 8 && __builtin_offsetof(posix_registers, general) == 32);
[[gnu::naked, gnu::noinline]] inline void capture_caller_registers(posix_registers& /* in rdi */) noexcept {
  asm("movq %rdi, %rdx\n\t"
      "xorl %eax, %eax\n\t"
      "movl $20, %ecx\n\t"
      "rep stosq\n\t"
      "movq (%rsp), %rax\n\t"
      "movq %rax, (%rdx)\n\t"  // pc
      "leaq 8(%rsp), %rax\n\t"
      "movq %rax, 8(%rdx)\n\t"   // sp
      "movq %rbp, 16(%rdx)\n\t"  // fp
      "movq %rbx, 40(%rdx)\n\t"
      "movq %rbp, 80(%rdx)\n\t"
      "movq %rax, 88(%rdx)\n\t"
      "movq %r12, 128(%rdx)\n\t"
      "movq %r13, 136(%rdx)\n\t"
      "movq %r14, 144(%rdx)\n\t"
      "movq %r15, 152(%rdx)\n\t"
      "ret");
}
#else
[[gnu::noinline]] inline void capture_caller_registers(posix_registers& r) noexcept {
  r = posix_registers{};
  r.pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  r.fp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  r.sp = r.fp;
}
#endif

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
