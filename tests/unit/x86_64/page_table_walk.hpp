// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the processor does with an address, over tables that lie in a buffer.

#include <stdint.h>

#include <cstring>
#include <optional>

namespace lastcpu::test {

struct translation {
  uint64_t physical;
  uint64_t page_bytes;
  uint64_t flags;        // of the last entry, address bits taken out
  uint64_t table_flags;  // of the entries on the way, put together by or
};

struct page_table_walk {
  const unsigned char* mapped;  // the first table
  uint64_t physical;            // its address
  uint64_t bytes;
  unsigned levels;

  [[nodiscard]] std::optional<translation> operator()(uint64_t address) const {
    constexpr uint64_t address_bits = 0x000f'ffff'ffff'f000;
    uint64_t table = physical;
    uint64_t table_flags = 0;
    for (unsigned level = levels; level != 0; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      if (table < physical || table - physical > bytes - 4096) return {};
      uint64_t entry = 0;
      std::memcpy(&entry, mapped + (table - physical) + (address >> shift) % 512 * 8, 8);
      if ((entry & 1) == 0) return {};
      const bool large = (entry & 0x80) != 0;
      if (level == 1 || (level == 2 && large)) {
        const uint64_t page = uint64_t{1} << shift;
        return translation{(entry & address_bits & ~(page - 1)) | (address & (page - 1)), page, entry & ~address_bits,
                           table_flags};
      }
      if (large) return {};
      table_flags |= entry & ~address_bits;
      table = entry & address_bits;
    }
    return {};
  }
};

}  // namespace lastcpu::test
