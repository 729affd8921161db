// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: send_stop\(\) is missing or wrong
#include <lastcpu/archetype.hpp>

struct port : lastcpu::archetype {
  static void send_stop(const lastcpu::cpu_set<max_cpus>&, lastcpu::stop_how) = delete;
};
static_assert(lastcpu::platform_checked<port>);
