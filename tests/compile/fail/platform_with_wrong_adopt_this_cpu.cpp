// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: adopt_this_cpu\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static bool adopt_this_cpu() noexcept { return true; }
};
static_assert(lastcpu::platform_checked<port>);
