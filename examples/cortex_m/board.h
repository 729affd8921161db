/* SPDX-License-Identifier: BSL-1.0 */
/* What this example uses of Arm's SSE-200 with two Cortex-M33, as the FPGA image AN521 has it. Secure addresses. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

static inline volatile uint32_t* reg(uint32_t address) {
  return (volatile uint32_t*)address;
}

#define THIS_CORE (*reg(0x5001f000)) /* CPU_IDENTITY: each core reads its own number */

/* Message handling unit 0: a bit that core N's INTR_SET sets is an interrupt on it until INTR_CLR clears it. */
#define MHU_SET(core) (*reg(0x50003004 + 0x10 * (core)))
#define MHU_CLEAR(core) (*reg(0x50003008 + 0x10 * (core)))
#define MHU_IRQ 6u

/* A core whose bit is set waits behind its reset; where it begins then is in INITSVTOR. */
#define CPUWAIT (*reg(0x50021118))
#define INITSVTOR1 (*reg(0x50021114))

#define UART_DATA (*reg(0x50200000))
#define UART_STATE (*reg(0x50200004)) /* bit 0: full */
#define UART_CTRL (*reg(0x50200008))
#define UART_BAUDDIV (*reg(0x50200010))

#define NVIC_ENABLE (*reg(0xe000e100))

#endif
