/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_AARCH64_FRAME_H
#define LASTCPU_C_AARCH64_FRAME_H
/** @file
 * What is saved of a CPU of aarch64, for C. */

#include <stdint.h>

/** The registers of aarch64 as lastcpu_capture() fills them in. The same as lastcpu::aarch64::registers. */
struct lastcpu_aarch64_frame {
  uint64_t x[31];  /**< x29 is the frame pointer, x30 the link register */
  uint64_t sp;     /**< that of the exception level, or SP_EL0, as `pstate` says */
  uint64_t pc;     /**< where it was captured */
  uint64_t pstate; /**< as SPSR has it: NZCV, DAIF, exception level and stack pointer */
};

#endif
