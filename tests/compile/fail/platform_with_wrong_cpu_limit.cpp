// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: cpu_limit\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static int cpu_limit() noexcept { return 4; }
};
static_assert(lastcpu::platform_checked<port>);
