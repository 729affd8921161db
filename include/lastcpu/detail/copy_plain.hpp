// SPDX-License-Identifier: BSL-1.0
#pragma once
// Plain data copied and zeroed without a call of the C library.

#include <stdint.h>

namespace lastcpu::detail {

/// Zeros plain data. volatile: a compiler may not turn the loop into a call of memset, which a kernel may lack.
template <class T>
inline void wipe_plain(T& data) noexcept {
  using bytes [[gnu::may_alias]] = volatile unsigned char;
  auto* out = reinterpret_cast<bytes*>(&data);
  for (uint32_t i = 0; i < sizeof(T); ++i) out[i] = 0;
}

/// Copies plain data. volatile: a compiler may not turn the loop into a call of memcpy, which a kernel may lack.
template <class T>
inline void copy_plain(T& to, const T& from) noexcept {
  using bytes [[gnu::may_alias]] = volatile unsigned char;
  using words [[gnu::may_alias]] = volatile uintptr_t;
  if constexpr (alignof(T) >= alignof(uintptr_t)) {
    auto* out = reinterpret_cast<words*>(&to);
    auto* in = reinterpret_cast<const words*>(&from);
    for (uint32_t i = 0; i < sizeof(T) / sizeof(uintptr_t); ++i) out[i] = in[i];
  } else {
    auto* out = reinterpret_cast<bytes*>(&to);
    auto* in = reinterpret_cast<const bytes*>(&from);
    for (uint32_t i = 0; i < sizeof(T); ++i) out[i] = in[i];
  }
}

}  // namespace lastcpu::detail
