// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: park\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void park() = delete;
};
static_assert(lastcpu::platform_checked<port>);
