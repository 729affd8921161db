// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: a policy's before_step\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic.hpp>

struct policy : lastcpu::panic_policy {
  static void before_step(const char*) noexcept {}
};
constinit lastcpu::crash_domain<lastcpu::archetype, policy> machine;
