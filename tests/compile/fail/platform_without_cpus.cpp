// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: max_cpus must be a constant of at least 1
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static constexpr lastcpu::cpu_id max_cpus = 0;
};
static_assert(lastcpu::platform_checked<port>);
