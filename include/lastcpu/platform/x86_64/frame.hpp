// SPDX-License-Identifier: BSL-1.0
#pragma once
// From the frame that a kernel's own entry code builds to lastcpu's registers, by the list of its members:
//
//     struct trap_frame { uint64_t rax, rbx, ..., vector, error, ip, cs, flags, sp, ss; };
//     LASTCPU_X86_FRAME(trap_frame, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, ip, cs,
//                       flags, sp, ss);
//     void on_nmi(trap_frame* f) { port::handlers::nmi(machine, to_registers(*f)); }
//
// One line at namespace scope, in the order of lastcpu::x86::registers, whatever the order and the names in the frame. It
// defines to_registers(const trap_frame&), and is an error where the frame has a member of the register's own name and
// another one is given. A member of a member will do: `hw.rip`.
// Not here: the way back. A kernel with a `wake_vector` has lastcpu's entry stub for that (entry.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

#define LASTCPU_X86_DETAIL_NAMED(frame, theirs, ours)                                       \
  static_assert(                                                                            \
      []<class F>(const F*) {                                                               \
        if constexpr (requires(const F& f) { f.ours; })                                     \
          return __builtin_offsetof(F, ours) == __builtin_offsetof(F, theirs);              \
        else                                                                                \
          return true;                                                                      \
      }(static_cast<const frame*>(nullptr)),                                                \
      "lastcpu: LASTCPU_X86_FRAME has " #theirs " in the place of " #ours ", which " #frame \
      " has, too; the order is "                                                            \
      "r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error_code, rip, cs, rflags, rsp, ss")

/// Defines `to_registers(const frame&)`, at namespace scope, from the frame's members in the order of
/// lastcpu::x86::registers.
#define LASTCPU_X86_FRAME(frame, r15_, r14_, r13_, r12_, rbp_, rbx_, r11_, r10_, r9_, r8_, rax_, rcx_, rdx_, rsi_, \
                          rdi_, error_code_, rip_, cs_, rflags_, rsp_, ss_)                                        \
  LASTCPU_X86_DETAIL_NAMED(frame, r15_, r15);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r14_, r14);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r13_, r13);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r12_, r12);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rbp_, rbp);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rbx_, rbx);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r11_, r11);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r10_, r10);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, r9_, r9);                                                                        \
  LASTCPU_X86_DETAIL_NAMED(frame, r8_, r8);                                                                        \
  LASTCPU_X86_DETAIL_NAMED(frame, rax_, rax);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rcx_, rcx);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rdx_, rdx);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rsi_, rsi);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, rdi_, rdi);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, error_code_, error_code);                                                        \
  LASTCPU_X86_DETAIL_NAMED(frame, rip_, rip);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, cs_, cs);                                                                        \
  LASTCPU_X86_DETAIL_NAMED(frame, rflags_, rflags);                                                                \
  LASTCPU_X86_DETAIL_NAMED(frame, rsp_, rsp);                                                                      \
  LASTCPU_X86_DETAIL_NAMED(frame, ss_, ss);                                                                        \
  [[nodiscard]] inline ::lastcpu::x86::registers to_registers(const frame& f) noexcept {                           \
    return {f.r15_, f.r14_, f.r13_, f.r12_, f.rbp_,        f.rbx_, f.r11_, f.r10_,    f.r9_,  f.r8_, f.rax_,       \
            f.rcx_, f.rdx_, f.rsi_, f.rdi_, f.error_code_, f.rip_, f.cs_,  f.rflags_, f.rsp_, f.ss_};              \
  }                                                                                                                \
  static_assert(true)

#include <lastcpu/detail/end.hpp>
