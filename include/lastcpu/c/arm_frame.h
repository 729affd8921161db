/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_ARM_FRAME_H
#define LASTCPU_C_ARM_FRAME_H
/** @file
 * What is saved of a core of Arm, 32 bits, for C. */

#include <stdint.h>

/** The registers of Arm, 32 bits, as lastcpu_capture() fills them in. The same as lastcpu::arm::registers. */
struct lastcpu_arm_frame {
  uint32_t r[13]; /**< r7 or r11 is the frame pointer */
  uint32_t sp;    /**< that of the mode */
  uint32_t lr;    /**< the link register */
  uint32_t pc;    /**< where it was captured */
  uint32_t psr;   /**< CPSR, or xPSR; its T bit reads as 0 */
};

#endif
