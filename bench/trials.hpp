// SPDX-License-Identifier: BSL-1.0
#pragma once
// Two things against each other that are for good, so that each trial is a process of its own (child_process.hpp).
//
// One iteration of the benchmark is a round of four trials: ours, raw, raw, ours; the counters are those of
// interleaved.hpp. A trial that fails ends its benchmark with what it said: there is never a figure without it.

#include "interleaved.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace lastcpu_bench {

/// What one trial measured, or why it failed.
struct trial_result {
  double ns = 0;
  std::string error;
};

/// The body of a benchmark. Both take nothing and return a trial_result. Register it with UseRealTime(): this process
/// sleeps while its children work.
template <class Ours, class Raw>
void compare_trials(benchmark::State& state, Ours ours, Raw raw) {
  comparison rounds;
  for ([[maybe_unused]] auto round : state) {
    const trial_result trials[] = {ours(), raw(), raw(), ours()};
    for (const trial_result& t : trials)
      if (!t.error.empty()) return state.SkipWithError(t.error.c_str());
    rounds.add((trials[0].ns + trials[3].ns) / 2, (trials[1].ns + trials[2].ns) / 2);
  }
  rounds.report(state);
}

}  // namespace lastcpu_bench
