// SPDX-License-Identifier: BSL-1.0
#include "device_memory.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/page_tables.hpp>

namespace {

namespace x86 = lastcpu::x86;

constexpr uint64_t address_bits = 0x000f'ffff'ffff'f000;
constexpr uint64_t table = 0x23;                // present, writable, accessed
constexpr uint64_t large_device = 0xc0 | 0x18;  // large, dirty; not cached
constexpr uint32_t spare_tables = 8;

alignas(4096) constinit uint64_t spare[spare_tables][512] = {};
constinit uint32_t spare_used = 0;

uint64_t* next_table(uint64_t& entry) noexcept {
  if (entry == 0) {
    if (spare_used == spare_tables) return nullptr;
    entry = reinterpret_cast<uint64_t>(spare[spare_used++]) | table;
  }
  return reinterpret_cast<uint64_t*>(entry & address_bits);
}

bool map_large_page(uint64_t address) noexcept {
  auto* tables = reinterpret_cast<uint64_t*>(x86::read_cr3() & address_bits);
  const unsigned top = (x86::read_cr4() & x86::cr4_la57) != 0 ? 5 : 4;
  for (unsigned level = top; level > 2; --level) {
    tables = next_table(tables[address >> (3 + 9 * level) & 511]);
    if (tables == nullptr) return false;
  }
  uint64_t& entry = tables[address >> 21 & 511];
  if (entry == 0) entry = address | table | large_device;
  return true;  // one that was there is right: nothing but one to one is mapped in the lower half
}

}  // namespace

bool map_device_memory(uint64_t address, uint64_t bytes) noexcept {
  if (bytes > x86::most_map_bytes || address > x86::most_map_bytes - bytes) return false;
  const uint64_t first = address & ~(x86::large_page_bytes - 1);
  for (uint64_t at = first; at < address + bytes; at += x86::large_page_bytes)
    if (!map_large_page(at)) return false;
  return true;
}
