// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: a panic message of less than 16 bytes
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic.hpp>

struct policy : lastcpu::panic_policy {
  static constexpr uint32_t message_bytes = 15;
};
lastcpu::crash_domain<lastcpu::archetype, policy> machine;
