// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: this port has none of the policy's rungs
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic.hpp>

struct port : lastcpu::archetype {
  static constexpr bool has_nmi = false;
};
struct policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::nmi, 10}, {lastcpu::stop_how::forced, 10}};
};
constinit lastcpu::crash_domain<port, policy> machine;
