// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: has_nmi is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static bool has_nmi() noexcept { return false; }
};
static_assert(lastcpu::platform_checked<port>);
