// SPDX-License-Identifier: BSL-1.0
#pragma once
// How many trials ended how.

#include "trial.hpp"

#include <stdint.h>

#include <string>

namespace storm {

struct tally {
  uint64_t count[outcome_count]{};

  void add(outcome o) noexcept { ++count[static_cast<uint32_t>(o)]; }
  [[nodiscard]] uint64_t of(outcome o) const noexcept { return count[static_cast<uint32_t>(o)]; }
  [[nodiscard]] uint64_t trials() const noexcept;
  [[nodiscard]] uint64_t failures() const noexcept { return trials() - of(outcome::completed); }
  /// "12 lost, 3 hung", or nothing.
  [[nodiscard]] std::string describe_failures() const;
  /// "99.3 %": never rounded up to a hundred.
  [[nodiscard]] std::string percent() const;
};

/// Of a trial that lastcpu failed: what, how to see it again, and the timeline. To stderr.
void report_failure(const trial&, const verdict&);

}  // namespace storm
