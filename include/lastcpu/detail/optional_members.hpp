// SPDX-License-Identifier: BSL-1.0
#pragma once
// The platform's optional members, with their defaults; and small things that every primitive needs.

#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/platform_check.hpp>

#include <stdint.h>

namespace lastcpu::detail {

template <class P>
[[gnu::always_inline]] inline void trace([[maybe_unused]] trace_kind kind, [[maybe_unused]] cpu_id cpu,
                                         [[maybe_unused]] uint32_t value) noexcept {
  if constexpr (has_trace<P>) P::trace(trace_event{kind, cpu, value});
}

/// What two CPUs write to lies so far apart, and no less than what is in it needs. One number: of two alignments gcc 12
/// takes the last.
template <class P>
[[nodiscard]] constexpr uint32_t cache_line() noexcept {
  uint32_t line = 64;
  if constexpr (requires { P::cache_line; }) line = P::cache_line;
  if (line < alignof(uintptr_t)) line = alignof(uintptr_t);
  return line < alignof(typename P::registers) ? uint32_t{alignof(typename P::registers)} : line;
}

/// One past the highest CPU number worth looking at.
template <class P>
[[nodiscard]] inline cpu_id cpu_limit() noexcept {
  if constexpr (has_cpu_limit<P>) {
    const cpu_id limit = P::cpu_limit();
    return limit < P::max_cpus ? limit : P::max_cpus;
  } else {
    return P::max_cpus;
  }
}

// On a machine of 32 bits, 64-bit division, multiplication and a shift by a variable may each be a call of the compiler's
// library, which a kernel may lack; so may all of it on a RISC-V without the M extension.
#if defined(__riscv) && !defined(__riscv_div)
inline constexpr bool has_wide_arithmetic = false;
#else
inline constexpr bool has_wide_arithmetic = sizeof(uintptr_t) >= 8;
#endif

/// n / by
[[nodiscard]] constexpr uint64_t divide(uint64_t n, uint32_t by) noexcept {
  if constexpr (has_wide_arithmetic) {
    return n / by;
  } else {
    uint64_t rest = 0;
    for (int bits = 64; bits > 0; --bits) {  // out of the top of n comes the number, into its bottom goes the quotient
      rest = rest << 1 | n >> 63;
      n <<= 1;
      if (rest < by) continue;
      rest -= by;
      n |= 1;
    }
    return n;
  }
}

/// n * by, as far as 64 bits go
[[nodiscard]] constexpr uint64_t multiply(uint64_t n, uint32_t by) noexcept {
  if constexpr (has_wide_arithmetic) {
    return n * by;
  } else {
    uint64_t product = 0;
    for (; by != 0; by >>= 1, n <<= 1)
      if ((by & 1) != 0) product += n;
    return product;
  }
}

/// The moment at least `microseconds` from now, in ticks: rounded up, and one more for the tick that is under way.
/// Saturates to no_deadline.
template <class P>
[[nodiscard]] inline uint64_t deadline_in(uint32_t microseconds) noexcept {
  if (microseconds == 0) return P::now();
  const uint64_t tps = P::ticks_per_second();
  if (tps == 0) return no_deadline;  // no clock: rounds are counted
  const uint64_t whole = divide(tps, 1'000'000);
  const uint64_t rest = tps - multiply(whole, 1'000'000);
  const uint64_t ticks = multiply(whole, microseconds) + divide(multiply(rest, microseconds) + 999'999, 1'000'000) + 1;
  const uint64_t now = P::now();
  return ticks < no_deadline - now ? now + ticks : no_deadline;
}

/// Zeros plain data byte by byte. volatile: no call of memset may come out of it.
template <class T>
inline void wipe_plain(T& data) noexcept {
  using bytes [[gnu::may_alias]] = volatile unsigned char;
  auto* out = reinterpret_cast<bytes*>(&data);
  for (uint32_t i = 0; i < sizeof(T); ++i) out[i] = 0;
}

/// Copies plain data word by word. volatile: no call of memcpy may come out of it.
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
