// SPDX-License-Identifier: BSL-1.0
#pragma once
// Page tables for the jump: physical memory one to one in 2 MiB pages, and one page at a second address, where the
// dying kernel runs when it switches over. 4 or 5 levels. Pure: reads no register, so a hosted test walks the result.
//
// Entries are present, writable, supervisor, accessed and dirty, nothing else: right with any CR4 and EFER (no NX bit,
// no global page, no protection key), cached as PAT entry 0 says, where the MTRRs allow it.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_region.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// CR4: five levels. Nobody changes it in 64-bit mode.
inline constexpr uint64_t cr4_la57 = uint64_t{1} << 12;
/// A large page.
inline constexpr uint64_t large_page_bytes = uint64_t{2} << 20;
/// The lower half of the canonical addresses with 4 levels.
inline constexpr uint64_t most_map_bytes = uint64_t{1} << 47;

/// [0, identity_bytes) maps to itself; the page at `alias_virtual` maps to `alias_physical`.
struct address_map {
  uint64_t identity_bytes;  ///< a multiple of 2 MiB, at most most_map_bytes
  uint64_t alias_virtual;   ///< where the page is, too
  uint64_t alias_physical;  ///< the page
  bool five_levels;         ///< else four

  /// Both can't be had: the alias would hide a page of physical memory.
  [[nodiscard]] constexpr bool conflicts() const noexcept {
    return alias_virtual < identity_bytes && alias_virtual != alias_physical;
  }
};

/// Pages that page_table_builder::build() needs at most, for any alias.
[[nodiscard]] constexpr uint64_t page_tables_needed(uint64_t identity_bytes, bool five_levels) noexcept {
  const uint64_t directories = kexec::round_up(identity_bytes, uint64_t{1} << 30) >> 30;
  const uint64_t pointer_tables = kexec::round_up(identity_bytes, uint64_t{1} << 39) >> 39;
  return directories + pointer_tables + (five_levels ? 2 : 1) + (five_levels ? 4 : 3);
}

/// Builds the tables in a row of zeroed pages. The first of them is the top: what CR3 gets.
class page_table_builder {
 public:
  /// The pages are at `physical`, and mapped at `mapped`.
  page_table_builder(uint64_t physical, unsigned char* mapped) noexcept : physical_(physical), mapped_(mapped) {}

  /// Fills in the tables; once.
  void build(const address_map& map) noexcept {
    const unsigned top = map.five_levels ? 5 : 4;
    for (uint64_t at = 0; at < map.identity_bytes; at += large_page_bytes)
      *entry(at, top, 2) = at | table | leaf | large;
    if (map.alias_virtual >= map.identity_bytes) *entry(map.alias_virtual, top, 1) = map.alias_physical | table | leaf;
  }

  /// How many of the pages are tables now.
  [[nodiscard]] uint64_t pages_used() const noexcept { return used_; }

 private:
  static constexpr uint64_t table = 0x23;  // present, writable, accessed
  static constexpr uint64_t leaf = 0x40;   // dirty: no CPU writes into these pages
  static constexpr uint64_t large = 0x80;
  static constexpr uint64_t address_bits = 0x000f'ffff'ffff'f000;

  // The entry of `address` at level `wanted` (1: a 4 KiB page), with the tables on the way to it.
  [[nodiscard]] volatile uint64_t* entry(uint64_t address, unsigned top, unsigned wanted) noexcept {
    uint64_t page = 0;
    for (unsigned level = top;; --level) {
      volatile uint64_t* at = reinterpret_cast<volatile uint64_t*>(mapped_ + page) + (address >> (3 + 9 * level) & 511);
      if (level == wanted) return at;
      if (*at == 0) *at = (physical_ + used_++ * kexec::page_bytes) | table;
      page = (*at & address_bits) - physical_;
    }
  }

  uint64_t physical_;
  unsigned char* mapped_;
  uint64_t used_ = 1;
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
