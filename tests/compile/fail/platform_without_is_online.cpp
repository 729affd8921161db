// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: is_online\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static bool is_online(lastcpu::cpu_id) = delete;
};
static_assert(lastcpu::platform_checked<port>);
