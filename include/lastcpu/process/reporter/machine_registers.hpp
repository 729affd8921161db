// SPDX-License-Identifier: BSL-1.0
#pragma once
// A thread's registers as an ELF core has them, out of a signal context or from ptrace.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/kernel_call.hpp>

#include <elf.h>
#include <stdint.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <ucontext.h>

namespace lastcpu::reporter_detail {

#if defined(__x86_64__)
using general_registers = user_regs_struct;
using floating_registers = user_fpregs_struct;
#elif defined(__aarch64__)
using general_registers = user_regs_struct;
using floating_registers = user_fpsimd_struct;
#endif
static_assert(sizeof(general_registers) == sizeof(elf_gregset_t));

struct thread_registers {
  general_registers general;
  floating_registers floating;
  bool floating_valid;
};

#if defined(__x86_64__)
inline constexpr uint16_t elf_machine = EM_X86_64;
[[nodiscard]] inline uintptr_t pc_of(const general_registers& r) noexcept {
  return r.rip;
}
[[nodiscard]] inline uintptr_t sp_of(const general_registers& r) noexcept {
  return r.rsp;
}
[[nodiscard]] inline uintptr_t fp_of(const general_registers& r) noexcept {
  return r.rbp;
}

/// Of the thread that calls: what a signal context does not have.
[[nodiscard]] inline uint64_t thread_pointer() noexcept {
  uint64_t base = 0;
  kernel_call(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &base);
  return base;
}

inline void registers_of(const ucontext_t& context, uint64_t thread_base, thread_registers& out) noexcept {
  const auto& g = context.uc_mcontext.gregs;
  const auto at = [&g](int i) noexcept { return static_cast<unsigned long long>(g[i]); };
  general_registers& r = out.general;
  r.r15 = at(REG_R15), r.r14 = at(REG_R14), r.r13 = at(REG_R13), r.r12 = at(REG_R12);
  r.r11 = at(REG_R11), r.r10 = at(REG_R10), r.r9 = at(REG_R9), r.r8 = at(REG_R8);
  r.rbp = at(REG_RBP), r.rbx = at(REG_RBX), r.rax = at(REG_RAX), r.rcx = at(REG_RCX);
  r.rdx = at(REG_RDX), r.rsi = at(REG_RSI), r.rdi = at(REG_RDI);
  r.orig_rax = ~0ull;  // no system call is to be restarted
  r.rip = at(REG_RIP), r.eflags = at(REG_EFL), r.rsp = at(REG_RSP);
  r.cs = at(REG_CSGSFS) & 0xffff, r.gs = at(REG_CSGSFS) >> 16 & 0xffff, r.fs = at(REG_CSGSFS) >> 32 & 0xffff;
  r.ss = at(REG_CSGSFS) >> 48 & 0xffff, r.ds = r.es = 0;
  r.fs_base = thread_base, r.gs_base = 0;
  out.floating_valid = context.uc_mcontext.fpregs != nullptr;
  if (out.floating_valid) copy_bytes(&out.floating, context.uc_mcontext.fpregs, sizeof out.floating);
}

#elif defined(__aarch64__)
inline constexpr uint16_t elf_machine = EM_AARCH64;
[[nodiscard]] inline uintptr_t pc_of(const general_registers& r) noexcept {
  return r.pc;
}
[[nodiscard]] inline uintptr_t sp_of(const general_registers& r) noexcept {
  return r.sp;
}
[[nodiscard]] inline uintptr_t fp_of(const general_registers& r) noexcept {
  return r.regs[29];
}

[[nodiscard]] inline uint64_t thread_pointer() noexcept {
  return 0;
}  // TPIDR is no part of NT_PRSTATUS

inline void registers_of(const ucontext_t& context, uint64_t, thread_registers& out) noexcept {
  const auto& m = context.uc_mcontext;
  for (int i = 0; i < 31; ++i) out.general.regs[i] = m.regs[i];
  out.general.sp = m.sp, out.general.pc = m.pc, out.general.pstate = m.pstate;
  const auto* head = reinterpret_cast<const _aarch64_ctx*>(m.__reserved);
  out.floating_valid = head->magic == FPSIMD_MAGIC;  // the kernel puts it first
  if (!out.floating_valid) return;
  const auto* f = reinterpret_cast<const fpsimd_context*>(head);
  copy_bytes(out.floating.vregs, f->vregs, sizeof out.floating.vregs);
  out.floating.fpsr = f->fpsr, out.floating.fpcr = f->fpcr;
}
#endif

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
