/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 4
#define LASTCPU_REGISTERS struct frame
#define LASTCPU_REGISTERS_BYTES (8 * sizeof(uintptr_t))
#define LASTCPU_KERNEL_IRQ 1
#define LASTCPU_NO_NMI 1
#define LASTCPU_FORCE 1
#define LASTCPU_BEFORE_STEP 1
#define LASTCPU_STOP_BUDGET_US 20000
