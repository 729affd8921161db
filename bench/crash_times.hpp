// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a process that crashes and the program that it becomes tell the benchmark.

#include "monotonic.hpp"

#include <cstdint>

namespace lastcpu_bench {

struct crash_times {
  std::uint64_t fault_ns;       // right before the fault
  std::uint64_t first_line_ns;  // by the capture program
};

/// The environment variable that names the file descriptor of the crash_times.
inline constexpr char figures_variable[] = "LASTCPU_BENCH_FIGURES";

}  // namespace lastcpu_bench
