// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: emergency_restart\(\) or halt\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void halt() = delete;
};
static_assert(lastcpu::platform_checked<port>);
