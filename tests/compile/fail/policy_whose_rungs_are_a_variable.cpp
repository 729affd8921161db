// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: Policy::rungs is an array: static constexpr rung
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic.hpp>

struct policy : lastcpu::panic_policy {
  static inline lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 10}};
};
constinit lastcpu::crash_domain<lastcpu::archetype, policy> machine;
