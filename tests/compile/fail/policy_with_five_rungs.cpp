// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: a policy has one to four rungs
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic.hpp>

struct policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[5] = {};
};
lastcpu::crash_domain<lastcpu::archetype, policy> machine;
