// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: crash_shutdown\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void crash_shutdown(const registers&) = delete;
};
static_assert(lastcpu::platform_checked<port>);
