// SPDX-License-Identifier: BSL-1.0
// expect: (nodiscard|unused.result)
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_cpu.hpp>

void careless(lastcpu::panic_cpu<lastcpu::archetype>& it) {
  it.begin_step(1);
}
