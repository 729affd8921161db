// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel on x86-64 has of its own, for the document's ports.

#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/platform/x86_64/handlers.hpp>

#include <stdint.h>

inline volatile void* mapped_uncached(uint64_t physical) noexcept {
  return reinterpret_cast<volatile void*>(physical);
}
inline uint64_t tsc_hertz() noexcept {
  return 1'000'000'000;
}
inline void serial_puts(const char*) noexcept {}

inline lastcpu::x86::stack_choice set_ist(lastcpu::x86::handler_stack, lastcpu::x86::stack_choice choice) noexcept {
  return choice;
}
inline bool is_mine(const lastcpu::x86::registers&) noexcept {
  return true;
}
inline lastcpu::kexec::crash_region reserved_region() noexcept {
  return {};
}
