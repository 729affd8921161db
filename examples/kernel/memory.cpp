// SPDX-License-Identifier: BSL-1.0
#include "memory.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

extern "C" uint64_t direct_map_pages[];

void memory::unmap(uint64_t physical) noexcept {
  static_cast<volatile uint64_t&>(direct_map_pages[physical / large_page]) = 0;
  lastcpu::x86::invlpg(at_physical(physical));
}
