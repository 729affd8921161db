// SPDX-License-Identifier: BSL-1.0
#pragma once
// Policy::before_step(step), called at most once for each step; nothing where a policy has none.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/step.hpp>

#include <stdint.h>

namespace lastcpu::detail {

template <class Policy>
concept names_before_step = requires {
  &Policy::before_step;
};
template <class Policy>
concept has_before_step = requires(step s) {
  { Policy::before_step(s) }
  noexcept;
};

template <class P, class Policy, bool Wanted = names_before_step<Policy>>
class step_hook {
 public:
  static void call(step) noexcept {}
};

template <class P, class Policy>
class step_hook<P, Policy, true> {
  static_assert(has_before_step<Policy>,
                "lastcpu: a policy's before_step() is optional, but this one is wrong: "
                "static void before_step(lastcpu::step) noexcept;");

 public:
  constexpr step_hook() noexcept = default;

  /// Marked before the call: a fault in it comes here again, and goes on at the step.
  /// relaxed: only the owner's, which sees its own stores.
  void call(step s) noexcept {
    if (last_.load(order::relaxed) >= static_cast<uint32_t>(s)) return;
    last_.store(static_cast<uint32_t>(s), order::relaxed);
    Policy::before_step(s);
  }

 private:
  typename P::template atomic<uint32_t> last_{};  // the step it was called for last
};

}  // namespace lastcpu::detail

#include <lastcpu/detail/end.hpp>
