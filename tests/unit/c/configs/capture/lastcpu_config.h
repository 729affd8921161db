/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 2
#define LASTCPU_KERNEL_IRQ 1
