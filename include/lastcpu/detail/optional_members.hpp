// SPDX-License-Identifier: BSL-1.0
#pragma once
// Optional members of the platform that several primitives ask for, with what is done without them.

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

}  // namespace lastcpu::detail
