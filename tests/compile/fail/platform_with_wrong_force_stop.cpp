// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: force_stop\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void force_stop(lastcpu::cpu_id) noexcept {}
};
static_assert(lastcpu::platform_checked<port>);
