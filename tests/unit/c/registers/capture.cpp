// SPDX-License-Identifier: BSL-1.0
// What a port in C++ writes for it.
#include <lastcpu/c/config.h>

#if defined(__aarch64__)
#include <lastcpu/platform/aarch64/registers.hpp>
namespace machine = lastcpu::aarch64;
#elif defined(__riscv)
#include <lastcpu/platform/riscv/registers.hpp>
namespace machine = lastcpu::riscv;
#else
#include <lastcpu/platform/arm/registers.hpp>
namespace machine = lastcpu::arm;
#endif

extern "C" void capture_in_cxx(machine::registers* r) {
#if USER_MODE && !defined(__arm__)
  machine::capture_in_user_mode(*r);
#else
  machine::capture(*r);
#endif
}
