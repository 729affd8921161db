// SPDX-License-Identifier: BSL-1.0
#pragma once
// The memory that the crash kernel lives in, and byte operations on it. Plain data; any context.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

inline constexpr uint64_t page_bytes = 4096;

/// Memory reserved at boot: nothing else may ever use it, and it must be RAM.
/// `mapped` is where every address space of the kernel has it, writable, executable and cached; often in the direct
/// map, and usually not at the physical address. Both are page-aligned.
/// Not in encrypted memory (SME, SEV, TDX): the page tables know of no encryption bit.
struct crash_region {
  uint64_t physical;
  unsigned char* mapped;
  uint64_t bytes;
};

namespace detail {

/// A little-endian word at any address.
template <class T>
struct [[gnu::packed, gnu::may_alias]] unaligned {
  T value;
};

template <class T>
[[nodiscard]] inline T load(const unsigned char* at) noexcept {
  return reinterpret_cast<const unaligned<T>*>(at)->value;
}

// String instructions instead of loops: a compiler turns a loop into a call of memcpy or memset.
inline void copy_bytes(unsigned char* to, const unsigned char* from, uint64_t n) noexcept {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}
inline void zero_bytes(unsigned char* to, uint64_t n) noexcept {
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

[[nodiscard]] constexpr uint64_t round_up(uint64_t n, uint64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
}

}  // namespace detail
}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
