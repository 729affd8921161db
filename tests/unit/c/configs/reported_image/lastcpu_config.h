/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 4
#define LASTCPU_REGISTERS struct frame
#define LASTCPU_REGISTERS_BYTES (8 * sizeof(uintptr_t))
#define LASTCPU_KERNEL_IRQ 1
#define LASTCPU_DEFAULT_REPORT 0
#define LASTCPU_MESSAGE_BYTES 16
#define LASTCPU_IMAGE_BYTES 16
