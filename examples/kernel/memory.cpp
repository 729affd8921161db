// SPDX-License-Identifier: BSL-1.0
#include "memory.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

#include "crash_region.hpp"

extern "C" {
extern uint64_t kernel_map[], direct_map[], direct_map_pages[];     // boot.S
extern const unsigned char text_end[], rodata_end[], kernel_end[];  // kernel.ld
extern unsigned char boot_stack_guard[];
}

namespace {

constexpr uint64_t present = 1, writable = 2, large = 0x80;
constexpr uint64_t no_execute = uint64_t{1} << 63;
constexpr uint64_t page = lastcpu::kexec::page_bytes;

constinit lastcpu::kexec::crash_region region = {};

// Where no small core looks (kernel.ld). region_pages: of a region above the direct map.
[[gnu::section(".bss.page_tables")]] alignas(page) constinit uint64_t region_pages[2][512] = {};
[[gnu::section(".bss.page_tables")]] alignas(page) constinit uint64_t directory[512] = {};
[[gnu::section(".bss.page_tables")]] alignas(
    page) constinit uint64_t tables[crash_region::lowest / memory::large_page - 1][512] = {};

uint64_t& entry_of(uint64_t physical) noexcept {
  return tables[physical / memory::large_page - 1][physical / page % 512];
}

uint64_t access_of(uint64_t physical) noexcept {
  if (physical < memory::physical(text_end)) return present;
  if (physical < memory::physical(rodata_end)) return present | no_execute;
  return present | writable | no_execute;
}

// What the kernel fills wholly is not in the direct map: there is no second way to its code.
void hide_in_direct_map(uint64_t begin, uint64_t end) noexcept {
  for (uint64_t at = begin; at + memory::large_page <= end; at += memory::large_page)
    direct_map_pages[at / memory::large_page] = 0;
}

}  // namespace

void memory::set_up() noexcept {
  const uint64_t end = physical(kernel_end);
  for (uint64_t at = kernel_physical; at < end; at += page) entry_of(at) = at | access_of(at);
  for (uint64_t at = kernel_physical; at < end; at += large_page)
    directory[at / large_page] = physical(tables[at / large_page - 1]) | present | writable;
  kernel_map[510] = physical(directory) | present | writable;
  hide_in_direct_map(kernel_physical, end);
  make_guard(boot_stack_guard);
  lastcpu::x86::write_cr3(lastcpu::x86::read_cr3());
}

lastcpu::kexec::crash_region memory::crash_region() noexcept {
  return region;
}

void memory::set_crash_region(uint64_t physical_address, uint64_t bytes) noexcept {
  region = {physical_address, at_physical(physical_address), bytes};
  const uint64_t begin = physical_address / large_page * large_page;
  const uint64_t first_gib = begin >> 30;
  for (uint64_t at = begin; at < physical_address + bytes; at += large_page) {
    const uint64_t entry = at | present | writable | large;
    if (at < direct_map_bytes) {
      direct_map_pages[at / large_page] = entry;
      continue;
    }
    uint64_t* const pages = region_pages[(at >> 30) - first_gib];
    pages[at / large_page % 512] = entry;
    direct_map[at >> 30] = physical(pages) | present | writable;
  }
  lastcpu::x86::write_cr3(lastcpu::x86::read_cr3());
}

void memory::make_guard(const void* guard) noexcept {
  entry_of(physical(guard)) = 0;
  lastcpu::x86::invlpg(guard);
}

bool memory::is_boot_stack_guard(uint64_t address) noexcept {
  return address - reinterpret_cast<uint64_t>(boot_stack_guard) < page;
}
