// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: hardware_id\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

struct port : lastcpu::archetype {
  static uint64_t hardware_id() noexcept { return 0; }
};
static_assert(lastcpu::platform_checked<port>);
