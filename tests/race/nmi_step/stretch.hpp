// SPDX-License-Identifier: BSL-1.0
#pragma once
// What there is to try in a stretch: each instruction that one of three machines, stepped, has come to, and how often.

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "approach.hpp"

namespace nmi_step {

class stretch {
 public:
  /// Nothing when the machine has died on the way again and again.
  [[nodiscard]] static std::optional<stretch> record(const scenario& play, uint32_t number) {
    stretch all(number);
    uint32_t recorded = 0;
    for (uint32_t attempts = 0; attempts < 10 && recorded < 3; ++attempts)
      if (all.add_one_record(play)) ++recorded;
    if (recorded < 3) return std::nullopt;
    for (const auto& [address, visits] : all.visits_)
      if (is_system_call(address)) all.calls_.push_back(address);
    return all;
  }

  /// The play is over at its anchor, or CPU 1 has ended it before.
  [[nodiscard]] bool is_empty() const { return visits_.empty(); }

  /// Calls attempt(place) for each instruction: one that comes more than twice, the first time, the second and the last.
  template <class Attempt>
  void for_each_place(Attempt attempt) const {
    for (const auto& [address, visits] : visits_) {
      attempt(place{number_, address, 1, &calls_});
      if (visits > 2) attempt(place{number_, address, 2, &calls_});
      if (visits > 1) attempt(place{number_, address, visits, &calls_});
    }
  }

 private:
  explicit stretch(uint32_t number) : number_(number) {}

  // Of each instruction the fewest visits: the clock, stepped, is read again and again.
  [[nodiscard]] bool add_one_record(const scenario& play) {
    std::map<uint64_t, uint32_t> seen;
    tracee cpu_0(new_machine(play, number_));
    const place anywhere{number_, 0, 0, &calls_};
    const bool came_there = approach(cpu_0, anywhere).through_all([&seen](uint64_t pc) { ++seen[pc]; });
    if (!came_there && (!WIFEXITED(cpu_0.status()) || WEXITSTATUS(cpu_0.status()) != 0)) return false;
    for (const auto& [address, visits] : seen) {
      uint32_t& fewest = visits_.emplace(address, visits).first->second;
      fewest = std::min(fewest, visits);
    }
    return true;
  }

  uint32_t number_;
  std::map<uint64_t, uint32_t> visits_;
  std::vector<uint64_t> calls_;
};

}  // namespace nmi_step
