// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: trace\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void trace(const lastcpu::trace_event&) {}  // not noexcept
};
static_assert(lastcpu::platform_checked<port>);
