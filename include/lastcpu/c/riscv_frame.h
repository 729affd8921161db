/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_RISCV_FRAME_H
#define LASTCPU_C_RISCV_FRAME_H
/** @file
 * What is saved of a hart of RISC-V, for C. */

#include <stdint.h>

/** The registers of RISC-V, 32 or 64 bits, as lastcpu_capture() fills them in. The same as lastcpu::riscv::registers. */
struct lastcpu_riscv_frame {
  /** @{ */
  /** The register of this name; s0 is the frame pointer. */
  uintptr_t pc, ra, sp, gp, tp, t0, t1, t2;
  uintptr_t s0, s1;
  uintptr_t a0, a1, a2, a3, a4, a5, a6, a7;
  uintptr_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;
  uintptr_t t3, t4, t5, t6;
  /** @} */
  uintptr_t status; /**< sstatus, or mstatus */
};

#endif
