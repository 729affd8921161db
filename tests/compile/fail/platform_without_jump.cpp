// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: jump\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void jump(const image&) = delete;
};
static_assert(lastcpu::platform_checked<port>);
