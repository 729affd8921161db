// SPDX-License-Identifier: BSL-1.0
#pragma once
// The dead kernel's memory, read through its own page tables. Nothing in them is trusted: each address is checked before
// it is used, and each walk has an end. What is no memory is not read: a device may take a load for a command.

#include <stdint.h>

#include "../kernel/ram_map.hpp"

/// Of the address space whose root is `cr3`. Physical memory, which is where `ram` says, is mapped at its own address up to
/// `mapped_bytes`.
class old_memory {
 public:
  old_memory(uint64_t cr3, bool five_levels, uint64_t mapped_bytes, const ram_map& ram) noexcept
      : root_(cr3), levels_(five_levels ? 5 : 4), mapped_bytes_(mapped_bytes), ram_(ram) {}

  /// The aligned word at `address`; false where there is none.
  [[nodiscard]] bool read(uint64_t address, uint64_t& out) const noexcept {
    uint64_t physical = 0;
    return address % 8 == 0 && translate(address, physical) && read_physical(physical, out);
  }

 private:
  static constexpr uint64_t address_bits = 0x000f'ffff'ffff'f000;

  [[nodiscard]] bool read_physical(uint64_t physical, uint64_t& out) const noexcept {
    if (mapped_bytes_ < 8 || physical > mapped_bytes_ - 8 || !ram_.contains(physical, 8)) return false;
    out = *reinterpret_cast<const volatile uint64_t*>(physical);
    return true;
  }

  [[nodiscard]] bool translate(uint64_t address, uint64_t& physical) const noexcept {
    uint64_t table = root_ & address_bits;
    for (unsigned level = levels_; level != 0; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      uint64_t entry = 0;
      if (!read_physical(table + (address >> shift & 511) * 8, entry) || (entry & 1) == 0) return false;
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

  uint64_t root_;
  unsigned levels_;
  uint64_t mapped_bytes_;
  const ram_map& ram_;
};
