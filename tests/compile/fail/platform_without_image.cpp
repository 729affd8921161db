// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: image is missing or not trivially copyable
#include <lastcpu/archetype.hpp>

class port : public lastcpu::archetype {
  struct image;
};
static_assert(lastcpu::platform_checked<port>);
