// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the unit tests of the domain are about: crash_domain; and once more, where LASTCPU_TESTED_BY_C is defined, the
// same by the C interface.

#if defined(LASTCPU_TESTED_BY_C)
#include "support/c_domain.hpp"
#else
#include <lastcpu/panic.hpp>

#include "support/fake_platform.hpp"
#endif

#include <vector>

namespace lastcpu::test {

#if defined(LASTCPU_TESTED_BY_C)
inline constexpr bool by_c = true;
template <class P = fake_platform, class Policy = fake_policy>
using domain_of = c_domain<P, Policy>;
template <class P = fake_platform, class Policy = fake_policy>
using path_of = c_domain<P, Policy>;
#else
inline constexpr bool by_c = false;
template <class P = fake_platform, class Policy = fake_policy>
using domain_of = crash_domain<P, Policy>;
template <class P = fake_platform, class Policy = fake_policy>
using path_of = crash_path<P, Policy>;
#endif

/// A policy in C++ has a summary or not, and with it a step. A kernel in C has it always.
inline std::vector<step> with_a_summary_in_c(std::vector<step> steps) {
  const auto behind = [](step s) { return s > step::summary; };
  if (by_c) steps.insert(std::find_if(steps.begin(), steps.end(), behind), step::summary);
  return steps;
}

}  // namespace lastcpu::test
