/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 1
#define LASTCPU_IMAGE_BYTES 13
#define LASTCPU_KERNEL_IRQ 1
