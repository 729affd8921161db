// SPDX-License-Identifier: BSL-1.0
#pragma once
// The rungs of a policy that a port has: an NMI is left out where P::has_nmi is false, force where there is no
// P::force_stop(). What is left out is no step and no code.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/platform_check.hpp>
#include <lastcpu/panic_policy.hpp>

namespace lastcpu::detail {

template <class P>
[[nodiscard]] consteval bool can_climb(stop_how how) noexcept {
  if (how == stop_how::forced) return has_force_stop<P>;
  if constexpr (requires { P::has_nmi; })
    return how != stop_how::nmi || P::has_nmi;
  else
    return true;
}

template <class Policy>
concept has_constant_rungs = is_array_of_rungs<decltype(Policy::rungs)> && requires {
  typename constant_of<Policy::rungs[0].budget_us>;
};

template <class P, uint32_t N>
[[nodiscard]] consteval uint32_t count_rungs(const rung (&named)[N]) noexcept {
  uint32_t n = 0;
  for (const rung r : named) n += can_climb<P>(r.how) ? 1u : 0u;
  return n;
}

template <uint32_t N>
struct rung_list {
  rung at[N];
};
template <class P, uint32_t Kept, uint32_t N>
[[nodiscard]] consteval rung_list<Kept> keep_rungs(const rung (&named)[N]) noexcept {
  rung_list<Kept> out{};
  uint32_t n = 0;
  for (const rung r : named)
    if (can_climb<P>(r.how)) out.at[n++] = r;
  return out;
}

template <class P, class Policy>
class rungs_of {
  static_assert(has_constant_rungs<Policy>,
                "lastcpu: Policy::rungs is an array: static constexpr rung rungs[] = {{...}, ...};");
  static constexpr uint32_t named = sizeof(Policy::rungs) / sizeof(rung);
  static_assert(named >= 1 && named <= max_rungs, "lastcpu: a policy has one to four rungs");

 public:
  static constexpr uint32_t count = count_rungs<P>(Policy::rungs);
  static_assert(count >= 1,
                "lastcpu: this port has none of the policy's rungs, no NMI or no force_stop(): "
                "add {stop_how::irq, budget_us}");

 private:
  static constexpr rung_list<count> kept = keep_rungs<P, count>(Policy::rungs);

 public:
  static constexpr const rung (&all)[count] = kept.at;
};

}  // namespace lastcpu::detail

#include <lastcpu/detail/end.hpp>
