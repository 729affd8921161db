// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: save_note\(\) is optional, but this one is wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void save_note(const image&) noexcept {}
};
static_assert(lastcpu::platform_checked<port>);
