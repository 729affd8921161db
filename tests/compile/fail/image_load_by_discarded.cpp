// SPDX-License-Identifier: BSL-1.0
// expect: (nodiscard|unused.result)
#include <lastcpu/archetype.hpp>
#include <lastcpu/crash_image.hpp>

void careless(lastcpu::crash_image<lastcpu::archetype>& it) {
  it.load_by([](const lastcpu::archetype::image&) noexcept { return false; });
}
