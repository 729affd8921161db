// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where there is memory, as the boot loader said: what may be read without asking what a device makes of it. Plain data;
// any context. In any order; ranges may touch and overlap. All zeros is an empty map.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

struct ram_range {
  uint64_t physical;
  uint64_t bytes;

  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    return at >= physical && n <= bytes && at - physical <= bytes - n;
  }
  [[nodiscard]] constexpr uint64_t end() const noexcept { return physical + bytes; }
};

/// All of [at, at + n) is in one of the ranges.
[[nodiscard]] constexpr bool any_contains(const ram_range* ranges, uint32_t count, uint64_t at, uint64_t n) noexcept {
  for (uint32_t i = 0; i < count; ++i)
    if (ranges[i].contains(at, n)) return true;
  return false;
}

struct ram_map {
  static constexpr uint32_t capacity = 64;
  uint32_t count;
  uint32_t no_room;  // ranges for which there was none
  ram_range ranges[capacity];

  constexpr void add(uint64_t physical, uint64_t bytes) noexcept {
    if (count < capacity) {
      ranges[count].physical = physical;
      ranges[count++].bytes = bytes;
    } else {
      ++no_room;
    }
  }
  /// The map may have been damaged: no more than its room is looked at.
  [[nodiscard]] constexpr uint32_t known() const noexcept { return count < capacity ? count : capacity; }
  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    return any_contains(ranges, known(), at, n);
  }
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
