// SPDX-License-Identifier: BSL-1.0
#pragma once
// What every run of a scenario may leave behind, as an exact set: explored with the model's reductions and without.

#include "race/model/expect.hpp"

#include <set>
#include <type_traits>

namespace lastcpu::test {

using word = model::atomic<uint32_t>;
using outcomes = std::set<uint64_t>;

inline outcomes found;
inline void outcome(uint64_t value) {
  found.insert(value);
}

/// What is seen is a decimal digit of the outcome, by its place.
inline void saw(uint32_t place, uint64_t value) {
  model::note(place) = value;
}
inline uint64_t seen(uint32_t n) {
  uint64_t out = 0;
  for (uint32_t i = 0; i < n; ++i) out = out * 10 + model::note(i);
  return out;
}

/// A moment at which another CPU may go on, and nothing else.
inline void moment() {
  (void)model::choose(1);
}

/// An exploration begins with a new scenario: what its random runs have met before does not count.
struct observed : model::scenario {
  observed() noexcept { found.clear(); }

 protected:
  ~observed() = default;
};
template <uint32_t Digits>
struct litmus : observed {
  void finish(model::ending, cpu_id) override { outcome(seen(Digits)); }
};
/// The same, where a CPU may be left asleep.
template <uint32_t Digits>
struct sleepy_litmus : litmus<Digits> {
  [[nodiscard]] bool may_sleep() const override { return true; }
};

/// The outcomes of `S` as `o` explores it, reduced or not as `o` says; no run fails.
template <class S>
outcomes outcomes_of(const model::options& o, model::result* out = nullptr) {
  static_assert(std::is_base_of_v<observed, S>, "the outcomes of what was explored before would stay");
  const model::result r = model::explore<S>(o);
  EXPECT_EQ(r.failure, "") << r.chart;
  if (out != nullptr) *out = r;
  return found;
}

/// Every run counts, and these are the outcomes.
template <class S>
void expect_exactly(const outcomes& allowed, model::options o = {}) {
  for (const bool reduce : {true, false}) {
    o.reduce = reduce;
    model::result r;
    EXPECT_EQ(outcomes_of<S>(o, &r), allowed) << (reduce ? "reduced" : "every order");
    EXPECT_TRUE(r.complete);
    printf("  %-9s %8llu runs %8llu states\n", reduce ? "reduced" : "unreduced",
           static_cast<unsigned long long>(r.runs), static_cast<unsigned long long>(r.states));
  }
}

/// The same within a bound: some runs are left out.
template <class S>
void expect_exactly_within(model::options o, const outcomes& allowed) {
  for (const bool reduce : {true, false}) {
    o.reduce = reduce;
    model::result r;
    EXPECT_EQ(outcomes_of<S>(o, &r), allowed) << (reduce ? "reduced" : "every order");
    EXPECT_FALSE(r.complete);
  }
}

}  // namespace lastcpu::test
