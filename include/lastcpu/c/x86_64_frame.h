/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_X86_64_FRAME_H
#define LASTCPU_C_X86_64_FRAME_H
/** @file
 * The frame of lastcpu's entry stubs, for C. */

#include <stdint.h>

/** The registers of x86-64 as lastcpu's entry stubs push them, the CPU's own five last. The same as
 * lastcpu::x86::registers. */
struct __attribute__((__may_alias__)) lastcpu_x86_64_frame {
  /** @{ */
  /** The register of this name. */
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t error_code; /**< 0 where the exception has none */
  uint64_t rip, cs, rflags, rsp, ss;
  /** @} */
};

#endif
