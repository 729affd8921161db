// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: Policy::rungs is an array
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

inline constexpr lastcpu::rung three[] = {
    {lastcpu::stop_how::irq, 1}, {lastcpu::stop_how::nmi, 2}, {lastcpu::stop_how::nmi, 3}};

struct policy : lastcpu::panic_policy {
  static constexpr const lastcpu::rung* rungs = three;
};
constinit lastcpu::crash_domain<lastcpu::archetype, policy> machine;
