// SPDX-License-Identifier: BSL-1.0
#pragma once
// From microseconds to a moment of the platform's clock, without a call of the compiler's library.

#include <lastcpu/cpu.hpp>

#include <stdint.h>

namespace lastcpu::detail {

// On a machine of 32 bits a 64-bit division, a multiplication or a shift by a variable may be a library call, which a
// kernel may lack. So may each of them on a RISC-V without the M extension.
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
    for (int bits = 64; bits > 0; --bits) {  // shifts n out at the top and the quotient in
      rest = rest << 1 | n >> 63;
      n <<= 1;
      if (rest < by) continue;
      rest -= by;
      n |= 1;
    }
    return n;
  }
}

/// n * by, modulo 2^64
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

/// The deadline where there is no clock: it never comes, but P::wait_while() returns now and then, and is counted. With
/// no_deadline it may sleep until the word changes.
inline constexpr uint64_t without_a_clock = no_deadline - 1;

/// The deadline at least `microseconds` from now: in ticks, rounded up, plus one for the tick that is under way.
/// no_deadline where it is too far away for 64 bits.
template <class P>
[[nodiscard]] inline uint64_t deadline_in(uint32_t microseconds) noexcept {
  if (microseconds == 0) return P::now();
  const uint64_t tps = P::ticks_per_second();
  if (tps == 0) return without_a_clock;
  const uint64_t whole = divide(tps, 1'000'000);
  const uint64_t rest = tps - multiply(whole, 1'000'000);
  const uint64_t ticks = multiply(whole, microseconds) + divide(multiply(rest, microseconds) + 999'999, 1'000'000) + 1;
  const uint64_t now = P::now();
  return ticks < no_deadline - now ? now + ticks : no_deadline;
}

}  // namespace lastcpu::detail
