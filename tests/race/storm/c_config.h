/* SPDX-License-Identifier: BSL-1.0 */
/* What a C kernel in the storm chooses: as much as storm_policy (lastcpu_design.hpp) does. c_design.cpp, its only file,
 * checks the numbers. */
#define LASTCPU_MAX_CPUS 8
#define LASTCPU_REGISTERS struct storm_registers
#define LASTCPU_REGISTERS_BYTES sizeof(lastcpu::posix_registers)
#define LASTCPU_IMAGE_BYTES 56
#define LASTCPU_IRQ_BUDGET_US 1000000
#define LASTCPU_STOP_BUDGET_US 10000000
#define LASTCPU_DEFAULT_REPORT 0
#define LASTCPU_BEFORE_STEP 1
#define LASTCPU_KERNEL_IRQ 1
