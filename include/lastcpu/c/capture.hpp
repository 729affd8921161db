// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu_capture() for the structures that lastcpu brings. Included by instance.hpp.

#include <lastcpu/c/lastcpu.h>

#include <lastcpu/detail/begin.hpp>

#if defined(__x86_64__)

#include <lastcpu/platform/x86_64/registers.hpp>

static_assert(sizeof(lastcpu_x86_64_frame) == sizeof(lastcpu::x86::registers) &&
              __builtin_offsetof(lastcpu_x86_64_frame, rbp) == __builtin_offsetof(lastcpu::x86::registers, rbp) &&
              __builtin_offsetof(lastcpu_x86_64_frame, rdi) == __builtin_offsetof(lastcpu::x86::registers, rdi) &&
              __builtin_offsetof(lastcpu_x86_64_frame, ss) == __builtin_offsetof(lastcpu::x86::registers, ss));

namespace lastcpu::c {
[[gnu::used]] static void (*const captures)(x86::registers&) noexcept = &x86::capture;  // or it would not be emitted
}

// A jump, so that the frame that is captured is the caller's. The name is that of lastcpu::x86::capture().
extern "C" [[gnu::naked]] void lastcpu_capture(LASTCPU_REGISTERS*) {
  asm("jmp _ZN7lastcpu3x867captureERNS0_9registersE");
}

#else

#include <lastcpu/platform_defaults.hpp>

extern "C" [[gnu::noinline]] void lastcpu_capture(LASTCPU_REGISTERS* regs) {
  lastcpu::capture_place(regs->pc, regs->sp, regs->fp);
  regs->lr = 0;
}

#endif

#include <lastcpu/detail/end.hpp>
