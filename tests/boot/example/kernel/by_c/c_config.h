/* SPDX-License-Identifier: BSL-1.0 */
/* What the example kernel chooses where it is on the C interface: as much as its port and its policy say in C++.
 * c_kernel.cpp checks the numbers. */
#define LASTCPU_MAX_CPUS 256
#define LASTCPU_IMAGE_BYTES 200
#define LASTCPU_IRQ_BUDGET_US 500000
#define LASTCPU_STOP_BUDGET_US 4000000
#define LASTCPU_DEFAULT_REPORT 0
#define LASTCPU_BEFORE_STEP 1
