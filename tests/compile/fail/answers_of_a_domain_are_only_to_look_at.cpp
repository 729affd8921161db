// SPDX-License-Identifier: BSL-1.0
// expect: (passing|argument).*const.*stop_cpus|not marked const
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

constinit lastcpu::crash_domain<lastcpu::archetype> machine;
void f() {
  machine.cpus().acknowledge(1, lastcpu::stop_state::by_nmi);
}
