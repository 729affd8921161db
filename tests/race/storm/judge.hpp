// SPDX-License-Identifier: BSL-1.0
#pragma once
// What became of a trial.

#include "design.hpp"

#include <string>

namespace storm {

enum class outcome : uint32_t {
  completed,  // one dump; or, where there was nothing to dump or nobody panicked, an end in order
  lost,       // somebody panicked, and life went on without it or the machine restarted without the dump
  hung,       // nobody is left to finish
  wrong,      // it ended, but not as promised: see enum wrong
  died,       // the process ended in another way
};
inline constexpr uint32_t outcome_count = 5;
[[nodiscard]] const char* to_string(outcome) noexcept;

struct verdict {
  outcome what = outcome::died;
  std::string why;  // empty when completed
};

/// How the trial's process ended.
struct process_end {
  bool in_time;
  int wait_status;
};

/// Reads `area`.
[[nodiscard]] verdict judge(design, const script&, const process_end&);

}  // namespace storm
