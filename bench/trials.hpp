// SPDX-License-Identifier: BSL-1.0
#pragma once
// Two things against each other that are for good, so that each trial is a process of its own (child_process.hpp).
//
// One iteration of the benchmark is a round of four trials: ours, raw, raw, ours; the counters are those of
// interleaved.hpp. A trial that fails ends its benchmark with what it said: there is never a figure without it.

#include "interleaved.hpp"

#include <benchmark/benchmark.h>

#include <stdexcept>
#include <string>

namespace lastcpu_bench {

/// What one trial measured, or why it failed.
struct trial_result {
  double ns = 0;
  std::string error;
};

/// A trial that returns a trial_result as an operation that returns nanoseconds, or throws why it failed.
template <class Trial>
auto measured(Trial trial) {
  return [trial] {
    const trial_result t = trial();
    if (!t.error.empty()) throw std::runtime_error(t.error);
    return t.ns;
  };
}

/// compare_measured() for such trials. Register it with UseRealTime(): this process sleeps while its children work.
template <class Ours, class Raw>
void compare_trials(benchmark::State& state, Ours ours, Raw raw) {
  compare_measured(state, measured(ours), measured(raw));
}

}  // namespace lastcpu_bench
