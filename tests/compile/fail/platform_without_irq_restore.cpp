// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: irq_save\(\) or irq_restore\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void irq_restore(irq_state) = delete;
};
static_assert(lastcpu::platform_checked<port>);
