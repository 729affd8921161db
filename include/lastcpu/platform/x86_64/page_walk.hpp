// SPDX-License-Identifier: BSL-1.0
#pragma once
// What an x86-64 processor does with an address, over page tables of another kernel: the `Walk` of kexec/old_memory.hpp.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// Four or five levels, pages of 4 KiB, 2 MiB and 1 GiB. No state; any context.
struct page_walk {
  /// The physical address of `address`. `root` is CR3; `levels` 4 or 5. False where nothing is mapped, or read_entry()
  /// answers false.
  template <class ReadEntry>
  [[nodiscard]] static bool translate(uint64_t root, uint32_t levels, uint64_t address, uint64_t& physical,
                                      ReadEntry read_entry) noexcept {
    constexpr uint64_t address_bits = 0x000f'ffff'ffff'f000;
    if ((levels != 4 && levels != 5) || !is_canonical(address, levels)) return false;
    uint64_t table = root & address_bits;
    for (uint32_t level = levels; level != 0; --level) {
      const uint32_t shift = 12 + 9 * (level - 1);
      uint64_t entry = 0;
      if (!read_entry(table + (address >> shift & 511) * 8, entry) || (entry & 1) == 0) return false;
      const bool is_page = level == 1 || (level <= 3 && (entry & 0x80) != 0);
      if (is_page) {
        const uint64_t offset = (uint64_t{1} << shift) - 1;
        physical = (entry & address_bits & ~offset) | (address & offset);
        return true;
      }
      table = entry & address_bits;
    }
    return false;
  }

  /// In the upper half, where kernels are.
  [[nodiscard]] static bool is_kernel_address(uint64_t address) noexcept { return address >> 63 != 0; }

 private:
  // The bits above those that the tables translate are all like the highest of them.
  [[nodiscard]] static bool is_canonical(uint64_t address, uint32_t levels) noexcept {
    const uint64_t above = address >> (12 + 9 * levels - 1);
    return above == 0 || above == ~uint64_t{0} >> (12 + 9 * levels - 1);
  }
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
