// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where there is memory, as the boot loader said: what may be read without asking what a device makes of it. Plain data.

#include <stdint.h>

struct ram_range {
  uint64_t address;  // physical
  uint64_t bytes;

  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    return at >= address && n <= bytes && at - address <= bytes - n;
  }
};

struct ram_map {
  static constexpr uint32_t capacity = 32;
  uint32_t count;
  uint32_t left_out;  // ranges for which there was no room
  ram_range ranges[capacity];

  constexpr void add(uint64_t address, uint64_t bytes) noexcept {
    if (count < capacity)
      ranges[count++] = {address, bytes};
    else
      ++left_out;
  }
  /// All of [at, at + n) is in one range. The map may have been damaged: no more than its room is looked at.
  [[nodiscard]] constexpr bool contains(uint64_t at, uint64_t n) const noexcept {
    for (uint32_t i = 0; i < count && i < capacity; ++i)
      if (ranges[i].contains(at, n)) return true;
    return false;
  }
};
