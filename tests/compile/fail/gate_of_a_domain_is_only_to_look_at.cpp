// SPDX-License-Identifier: BSL-1.0
// expect: (passing|argument).*const.*panic_cpu|not marked const
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

constinit lastcpu::crash_domain<lastcpu::archetype> machine;
void f() {
  (void)machine.gate().begin_step(63);
}
