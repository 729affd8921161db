// SPDX-License-Identifier: BSL-1.0
#pragma once
// A bound for a wait that also holds where the clock stands still, as a tick counter does while interrupts are off.

#include <lastcpu/detail/deadline.hpp>

namespace lastcpu::detail {

/// How many waits in a row may end at the same now() before the clock counts as still. By default more than fit into a
/// tick; a port whose wait_while() takes longer than a few dozen instructions sets P::rounds_of_a_still_clock lower.
template <class P>
[[nodiscard]] constexpr uint32_t rounds_of_a_still_clock() noexcept {
  if constexpr (requires { P::rounds_of_a_still_clock; })
    return P::rounds_of_a_still_clock;
  else
    return 1u << 22;
}

/// Over when at least `microseconds` have passed, or when the clock has stood still for rounds_of_a_still_clock rounds; a
/// clock that does not say how fast it is (0 ticks per second) counts as still, whether it moves or not.
template <class P>
class bounded_wait {
 public:
  [[gnu::always_inline]] explicit bounded_wait(uint32_t microseconds) noexcept : end_(deadline_in<P>(microseconds)) {}

  /// For P::wait_while().
  [[nodiscard]] uint64_t end() const noexcept { return end_; }

  /// Called once after each wait_while().
  [[nodiscard]] bool is_over() noexcept {
    const uint64_t now = P::now();
    if (now >= end_) return true;
    if (now != last_ && end_ != without_a_clock) still_ = 0;
    last_ = now;
    return ++still_ >= rounds_of_a_still_clock<P>();
  }

 private:
  uint64_t end_;
  uint64_t last_ = 0;  // the first round counts as one, whatever this is
  uint32_t still_ = 0;
};

}  // namespace lastcpu::detail
