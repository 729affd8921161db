// SPDX-License-Identifier: BSL-1.0
#pragma once
// One trial: a fresh process, a storm, a verdict. The caller has one thread only.

#include "judge.hpp"

#include <stdint.h>

#include <string>

namespace storm {

struct trial {
  design who;
  scenario where;
  uint64_t seed;
};

/// Makes the shared memory; once, before the first trial. Empty, or why not.
[[nodiscard]] std::string prepare_trials();

/// Its timeline is in `area` until the next one.
[[nodiscard]] verdict run_trial(const trial&);

/// The seed of trial number `n`.
[[nodiscard]] uint64_t seed_of(uint64_t base, scenario, uint64_t n) noexcept;

}  // namespace storm
