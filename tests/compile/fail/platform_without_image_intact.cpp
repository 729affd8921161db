// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: image_intact\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static bool image_intact(const image&) = delete;
};
static_assert(lastcpu::platform_checked<port>);
