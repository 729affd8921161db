/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 4
#define LASTCPU_REGISTERS struct trap_frame
#define LASTCPU_REGISTERS_BYTES 208
#define LASTCPU_CRASH_LOADER 1
#define LASTCPU_KERNEL_IRQ 1
