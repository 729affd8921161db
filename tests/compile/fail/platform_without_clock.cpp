// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: now\(\) or ticks_per_second\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static uint64_t now() = delete;
};
static_assert(lastcpu::platform_checked<port>);
