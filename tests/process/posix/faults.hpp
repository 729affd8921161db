// SPDX-License-Identifier: BSL-1.0
#pragma once
// Instructions that fault, at known addresses, out of the compiler's and the sanitizers' sight. x86-64.

#include <stdint.h>

extern "C" {
uint8_t lastcpu_test_load(const void* address) noexcept;
void lastcpu_test_illegal() noexcept;
void lastcpu_test_divide_by_zero() noexcept;
void lastcpu_test_breakpoint() noexcept;

// Where the interrupted instruction is, as the machine reports it.
extern const char lastcpu_test_load_at[];
extern const char lastcpu_test_illegal_at[];
extern const char lastcpu_test_divide_at[];
extern const char lastcpu_test_breakpoint_at[];  // behind it: a breakpoint is a trap
}

namespace posix_test {

/// An address that is never mapped.
inline const void* nowhere() noexcept {
  return reinterpret_cast<const void*>(uintptr_t{0x10});
}
inline void touch(const void* address) noexcept {
  (void)lastcpu_test_load(address);
}
[[nodiscard]] inline uint64_t address_of(const char* label) noexcept {
  return reinterpret_cast<uintptr_t>(label);
}

}  // namespace posix_test
