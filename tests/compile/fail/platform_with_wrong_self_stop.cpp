// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: self_stop\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void self_stop(lastcpu::cpu_id) noexcept {}
};
static_assert(lastcpu::platform_checked<port>);
