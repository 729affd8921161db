// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: registers is missing or not trivially copyable
#include <lastcpu/archetype.hpp>

class port : public lastcpu::archetype {
  struct registers;
};
static_assert(lastcpu::platform_checked<port>);
