// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: capture_registers\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void capture_registers(registers&) = delete;
};
static_assert(lastcpu::platform_checked<port>);
