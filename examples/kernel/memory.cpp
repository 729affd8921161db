// SPDX-License-Identifier: BSL-1.0
#include "memory.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

extern "C" uint64_t direct_map_pages[];

bool memory::is_ram(const lastcpu::x86::crash_region& region, const start_info& info) noexcept {
  if (info.version == 0) return true;
  const auto* entries = at_physical<const start_memory>(info.memory_map);
  for (uint32_t i = 0; i < info.memory_map_entries; ++i) {
    const start_memory& e = entries[i];
    const bool has_it = e.address <= region.physical && region.physical + region.bytes <= e.address + e.bytes;
    if (has_it && e.type == start_memory::ram) return true;
  }
  return false;
}

void memory::unmap(uint64_t physical) noexcept {
  static_cast<volatile uint64_t&>(direct_map_pages[physical / large_page]) = 0;
  lastcpu::x86::invlpg(at_physical(physical));
}

void memory::forbid_execution(const lastcpu::x86::crash_region& region) noexcept {
  constexpr uint64_t no_execute = uint64_t{1} << 63;
  for (uint64_t at = region.physical; at < region.physical + region.bytes; at += large_page) {
    direct_map_pages[at / large_page] |= no_execute;
    lastcpu::x86::invlpg(at_physical(at));
  }
}
