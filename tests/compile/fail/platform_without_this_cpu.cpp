// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: this_cpu\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static lastcpu::cpu_id this_cpu() = delete;
};
static_assert(lastcpu::platform_checked<port>);
