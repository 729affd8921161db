// SPDX-License-Identifier: BSL-1.0
#pragma once
// Bytes read, copied and zeroed without a call of the C library, which a kernel's crash path may lack. Any context.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(void*) == 8,
              "lastcpu kexec: for little-endian machines of 64 bits");

namespace detail {

template <class T>
struct [[gnu::__packed__, gnu::__may_alias__]] unaligned {
  T value;
};

}  // namespace detail

///@{
/// A little-endian word at any address, read and written. `T` is an integer.
template <class T>
[[nodiscard]] inline T read_word(const unsigned char* at) noexcept {
  return reinterpret_cast<const detail::unaligned<T>*>(at)->value;
}

template <class T>
inline void write_word(unsigned char* at, T value) noexcept {
  reinterpret_cast<detail::unaligned<T>*>(at)->value = value;
}
///@}

///@{
/// `n` bytes copied, or made zero. A compiler turns a plain loop into a call of memcpy or memset, but not one of these.
inline void copy_bytes(unsigned char* to, const unsigned char* from, uint64_t n) noexcept {
#if defined(__x86_64__)
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
  for (; n != 0; --n) {
    *to++ = *from++;
    asm volatile("" : : : "memory");
  }
#endif
}

inline void zero_bytes(unsigned char* to, uint64_t n) noexcept {
#if defined(__x86_64__)
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
#else
  for (; n != 0; --n) {
    *to++ = 0;
    asm volatile("" : : : "memory");
  }
#endif
}
///@}

/// The next multiple of `unit`, a power of two, from `n` on; wraps.
[[nodiscard]] constexpr uint64_t round_up(uint64_t n, uint64_t unit) noexcept {
  return (n + unit - 1) & ~(unit - 1);
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
