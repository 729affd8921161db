// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: wait_while\(\) or wake\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  template <class T>
  static bool wait_while(atomic<T>&, T, uint64_t) noexcept {
    return true;
  }
};
static_assert(lastcpu::platform_checked<port>);
