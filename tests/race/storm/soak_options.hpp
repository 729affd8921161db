// SPDX-License-Identifier: BSL-1.0
#pragma once
// What tools/soak is asked to do.

#include "design.hpp"

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

namespace storm {

struct soak_options {
  uint64_t trials = 1000;
  std::vector<scenario> scenarios;  // all that the design takes part in, unless named
  design who = design::lastcpu;
  std::string state_file = "build/soak.state";
  uint64_t seed = 0;  // 0: by the clock
  bool resume = false;
  bool help = false;
  std::optional<uint64_t> replay;  // the seed of one trial
};

/// Empty, or a sentence that names the option and the remedy.
[[nodiscard]] std::string parse_soak_options(int argc, char** argv, soak_options&);

extern const char soak_usage[];

}  // namespace storm
