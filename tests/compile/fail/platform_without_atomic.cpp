// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: atomic is missing or wrong
#include <lastcpu/archetype.hpp>

class port : public lastcpu::archetype {
  template <class T>
  class atomic;
};
static_assert(lastcpu::platform_checked<port>);
