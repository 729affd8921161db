// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: make_resettable\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void make_resettable() = delete;
};
static_assert(lastcpu::platform_checked<port>);
