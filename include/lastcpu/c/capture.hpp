// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu_capture() for the structures that lastcpu brings, and on x86-64 for the kernel's own (crash_loader.h). Included by
// instance.hpp.
//
// On x86-64, aarch64, RISC-V and Arm it is assembly from its first instruction on, so that what is captured is the caller's.
// With LASTCPU_KERNEL_IRQ the status is what user mode may read of it: on RISC-V zero. Elsewhere it is C++, for the place alone.

#include <lastcpu/c/lastcpu.h>

#include <lastcpu/detail/begin.hpp>

#define LASTCPU_DETAIL_FUNCTION(body)                                                                    \
  asm(".pushsection .text.lastcpu_capture, \"ax\", %progbits\n\t.balign 4\n\t.globl lastcpu_capture\n\t" \
      ".type lastcpu_capture, %function\n" body "\n\t.size lastcpu_capture, . - lastcpu_capture\n\t.popsection")

#if defined(__x86_64__)

#include <lastcpu/c/x86_64_frame.h>
#include <lastcpu/platform/x86_64/registers.hpp>

static_assert(sizeof(lastcpu_x86_64_frame) == sizeof(lastcpu::x86::registers) &&
              __builtin_offsetof(lastcpu_x86_64_frame, rbp) == __builtin_offsetof(lastcpu::x86::registers, rbp) &&
              __builtin_offsetof(lastcpu_x86_64_frame, rdi) == __builtin_offsetof(lastcpu::x86::registers, rdi) &&
              __builtin_offsetof(lastcpu_x86_64_frame, ss) == __builtin_offsetof(lastcpu::x86::registers, ss));

namespace lastcpu::c {
[[gnu::used]] static void (*const captures)(x86::registers&) noexcept = &x86::capture;  // or it would not be emitted
}

// The name that both jump to is that of lastcpu::x86::capture().
#if LASTCPU_SHIPS_CAPTURE

extern "C" [[gnu::naked]] void lastcpu_capture(LASTCPU_REGISTERS*) {
  asm("jmp _ZN7lastcpu3x867captureERNS0_9registersE");
}

#else

// A frame of lastcpu's on the stack first, with the three that this function has changed put right. lea leaves the flags alone.
extern "C" [[gnu::naked]] void lastcpu_capture(LASTCPU_REGISTERS*) {
  asm("pushq %rdi\n\t"
      "leaq -176(%rsp), %rsp\n\t"
      "movq %rsp, %rdi\n\t"
      "call _ZN7lastcpu3x867captureERNS0_9registersE\n\t"
      "movq 176(%rsp), %rsi\n\t"
      "movq %rsi, 112(%rsp)\n\t"  // rdi
      "movq 184(%rsp), %rax\n\t"
      "movq %rax, 128(%rsp)\n\t"  // rip
      "leaq 192(%rsp), %rax\n\t"
      "movq %rax, 152(%rsp)\n\t"  // rsp
      "movq %rsp, %rdi\n\t"
      "call lastcpu_kernel_from_x86_64\n\t"
      "leaq 184(%rsp), %rsp\n\t"
      "ret");
}

#endif

#elif defined(__aarch64__)

#include <lastcpu/platform/aarch64/registers.hpp>

static_assert(sizeof(lastcpu_aarch64_frame) == sizeof(lastcpu::aarch64::registers) &&
              __builtin_offsetof(lastcpu_aarch64_frame, pstate) ==
                  __builtin_offsetof(lastcpu::aarch64::registers, pstate));

#if LASTCPU_KERNEL_IRQ
#define LASTCPU_DETAIL_PSTATE LASTCPU_AARCH64_DETAIL_FLAGS("x1")
#else
#define LASTCPU_DETAIL_PSTATE LASTCPU_AARCH64_DETAIL_FLAGS("x1") LASTCPU_AARCH64_DETAIL_LEVEL("x1", "x2")
#endif
// hint #34 is bti c.
// clang-format off
LASTCPU_DETAIL_FUNCTION("lastcpu_capture:\n\thint #34\n\t" LASTCPU_AARCH64_DETAIL_STORE("x0")
                        LASTCPU_DETAIL_PSTATE "str x1, [x0, #264]\n\t"
                        "mov x1, sp\n\tstr x1, [x0, #248]\n\tstr x30, [x0, #256]\n\tret");
// clang-format on
#undef LASTCPU_DETAIL_PSTATE

#elif defined(__riscv) && !defined(__riscv_32e) && !defined(__riscv_e)

#include <lastcpu/platform/riscv/registers.hpp>

static_assert(sizeof(lastcpu_riscv_frame) == sizeof(lastcpu::riscv::registers) &&
              __builtin_offsetof(lastcpu_riscv_frame, a0) == __builtin_offsetof(lastcpu::riscv::registers, a0) &&
              __builtin_offsetof(lastcpu_riscv_frame, status) == __builtin_offsetof(lastcpu::riscv::registers, status));

#if LASTCPU_KERNEL_IRQ
#define LASTCPU_DETAIL_STATUS LASTCPU_RISCV_DETAIL_WORD("zero", "32", "a0")
#else
#define LASTCPU_DETAIL_STATUS LASTCPU_RISCV_DETAIL_LEVEL("a1") LASTCPU_RISCV_DETAIL_WORD("a1", "32", "a0")
#endif
// clang-format off
LASTCPU_DETAIL_FUNCTION("lastcpu_capture:\n\t" LASTCPU_RISCV_DETAIL_STORE("a0")
                        LASTCPU_DETAIL_STATUS LASTCPU_RISCV_DETAIL_WORD("ra", "0", "a0") "ret");
// clang-format on
#undef LASTCPU_DETAIL_STATUS

#elif defined(__arm__)

#include <lastcpu/platform/arm/registers.hpp>

static_assert(sizeof(lastcpu_arm_frame) == sizeof(lastcpu::arm::registers) &&
              __builtin_offsetof(lastcpu_arm_frame, psr) == __builtin_offsetof(lastcpu::arm::registers, psr));

#if defined(__thumb__)
#define LASTCPU_DETAIL_STATE "\t.thumb\n\t.thumb_func\n"
#else
#define LASTCPU_DETAIL_STATE "\t.arm\n"
#endif
// The address that it returns to has the T bit in bit 0.
// clang-format off
LASTCPU_DETAIL_FUNCTION(LASTCPU_DETAIL_STATE "lastcpu_capture:\n\t" LASTCPU_ARM_DETAIL_STORE("r0", "r1")
                        "mov r1, lr\n\tmovs r2, #1\n\tbics r1, r2\n\tstr r1, [r0, #60]\n\tbx lr");
// clang-format on
#undef LASTCPU_DETAIL_STATE

#else

#include <lastcpu/platform_defaults.hpp>

extern "C" [[gnu::noinline]] void lastcpu_capture(LASTCPU_REGISTERS* regs) {
  lastcpu::capture_place(regs->pc, regs->sp, regs->fp);
  regs->lr = 0;
}

#endif

#undef LASTCPU_DETAIL_FUNCTION

#include <lastcpu/detail/end.hpp>
