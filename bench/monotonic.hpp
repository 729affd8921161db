// SPDX-License-Identifier: BSL-1.0
#pragma once
// One clock for all processes of a measurement. Any context.

#include <time.h>

#include <cstdint>

namespace lastcpu_bench {

inline std::uint64_t monotonic_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace lastcpu_bench
