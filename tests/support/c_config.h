/* SPDX-License-Identifier: BSL-1.0 */
/* What a C kernel on the scripted machine chooses: what fake_platform and panic_policy say in C++. */
#define LASTCPU_MAX_CPUS 4
#define LASTCPU_REGISTERS struct fake_frame
#define LASTCPU_REGISTERS_BYTES sizeof(lastcpu::test::fake_registers)
#define LASTCPU_IMAGE_BYTES 4
#define LASTCPU_STOP_ROUNDS 100
#define LASTCPU_DEFAULT_REPORT 0
#define LASTCPU_BEFORE_STEP 1
#define LASTCPU_KERNEL_IRQ 1
#define LASTCPU_PANIC_ON_OOPS (lastcpu::test::kernel_now.on_oops() == lastcpu::oops_action::panic)
