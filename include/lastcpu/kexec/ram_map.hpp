// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where there is memory, as the boot loader said: what may be read without asking what a device makes of it. Plain data;
// any context. In any order; ranges may touch and overlap. All zeros is an empty map.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// A range of physical memory.
struct ram_range {
  uint64_t physical;  ///< its first address
  uint64_t bytes;     ///< its size

  /// All of [at, at + n) is in it.
  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    return at >= physical && n <= bytes && at - physical <= bytes - n;
  }
  /// The address behind it.
  [[nodiscard]] constexpr uint64_t end() const noexcept { return physical + bytes; }
};

/// All of [at, at + n) is in the ranges, of which some may touch; `n` is not 0.
[[nodiscard]] constexpr bool all_in(const ram_range* ranges, uint32_t count, uint64_t at, uint64_t n) noexcept {
  for (;;) {
    uint64_t from_here = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t skipped = at - ranges[i].physical;
      if (at < ranges[i].physical || skipped >= ranges[i].bytes) continue;
      if (ranges[i].bytes - skipped > from_here) from_here = ranges[i].bytes - skipped;
    }
    if (from_here == 0 || n <= from_here) return from_here != 0;
    if (from_here > ~at) return false;  // behind the last address there is nothing
    at += from_here;
    n -= from_here;
  }
}

/// A list of ranges.
struct ram_map {
  /// How many it has room for.
  static constexpr uint32_t capacity = 64;
  uint32_t count;              ///< ranges in use
  uint32_t no_room;            ///< ranges for which there was none: the load is refused then
  ram_range ranges[capacity];  ///< in any order

  /// Adds one, or counts it in no_room.
  constexpr void add(uint64_t physical, uint64_t bytes) noexcept {
    if (count < capacity) {
      ranges[count].physical = physical;
      ranges[count++].bytes = bytes;
    } else {
      ++no_room;
    }
  }
  /// All of [at, at + n) is memory. The map may have been damaged: no more than its room is looked at.
  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    return all_in(ranges, count < capacity ? count : capacity, at, n);
  }
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
