// SPDX-License-Identifier: BSL-1.0
// expect: LASTCPU_X86_FRAME has (rdx|rcx) in the place of (rcx|rdx), which trap_frame has, too; the order is r15, r14
#include <lastcpu/platform/x86_64/frame.hpp>

struct trap_frame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, ip, cs, flags, sp, ss;
};
LASTCPU_X86_FRAME(trap_frame, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rdx, rcx, rsi, rdi, error, ip, cs,
                  flags, sp, ss);
