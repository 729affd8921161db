// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a search is asked for, and what it answers.

#include <cstdint>
#include <string>

namespace lastcpu::model {

enum class deadlines : uint8_t {
  when_stuck,  // time passes only where nobody can go on without: who can answer, answers
  any_time,    // a deadline may pass at any moment, or not
};

struct options {
  uint32_t nmis = 0;        // injected at any moment, so many in a run
  uint32_t nmi_cpus = ~0u;  // as a mask: on these CPUs
  uint32_t spurious = 0;    // so many waits end for no reason
  deadlines time = deadlines::when_stuck;
  uint32_t stale = ~0u;      // a load sees at most so many stores back
  uint32_t switches = ~0u;   // at most so many switches away from a CPU that could go on
  uint64_t random_runs = 0;  // not exhaustive: so many runs, by seed
  uint64_t seed = 1;
  uint64_t max_states = 30'000'000;
  uint32_t max_depth = 5'000;  // operations in one run
  bool reduce = true;          // false: no quiet words, no state left out: every order, one by one
  bool livelock = false;       // finds states from which nobody can come to an end; needs `reduce`
  bool shorten = true;         // looks for a shorter way to a failure
};

struct result {
  std::string failure;    // empty: every run is as it should be
  std::string choices;    // leads there again: replay()
  std::string chart;      // the run that fails; tools/chart draws it
  bool complete = false;  // no run was left out
  bool shortest = false;  // no run fails in fewer operations
  uint64_t states = 0, runs = 0, moves = 0;
  double seconds = 0;
};

}  // namespace lastcpu::model
