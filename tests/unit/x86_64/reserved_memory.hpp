// SPDX-License-Identifier: BSL-1.0
#pragma once
// A reserved region in a program's memory, full of noise, with a fence of noise on both sides.

#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <random>

#include "unit/kexec/elf_file.hpp"

namespace lastcpu::test {

struct reserved_memory {
  static constexpr uint64_t physical = 64 << 20;
  static constexpr uint64_t size = 256 << 10;
  static constexpr uint64_t fence = 4 * kexec::page_bytes;

  reserved_memory() : memory(size + 2 * fence + kexec::page_bytes) {
    std::mt19937_64 random(1);
    for (unsigned char& b : memory) b = static_cast<unsigned char>(random() | 1);
    first = memory.data() + fence;
    first += -reinterpret_cast<uintptr_t>(first) % kexec::page_bytes;
    before = memory;
  }
  reserved_memory(const reserved_memory&) = delete;
  reserved_memory& operator=(const reserved_memory&) = delete;

  [[nodiscard]] kexec::crash_region region() const { return {physical, first, size}; }
  [[nodiscard]] static x86::load_options options() {
    x86::load_options o;
    o.map_bytes = 128 << 20;
    o.cpu_capacity = 4;
    o.levels = x86::paging::four_levels;
    o.region_execution = x86::execution::taken_for_granted;
    return o;
  }
  [[nodiscard]] bool untouched() const { return memory == before; }
  /// The region's bytes [from, to) and no others may differ from the noise.
  [[nodiscard]] bool untouched_but(std::initializer_list<std::pair<uint64_t, uint64_t>> spans) const {
    bytes now = memory;
    const size_t shift = static_cast<size_t>(first - memory.data());
    for (const auto& [from, to] : spans)
      for (uint64_t i = from; i < to; ++i) now[shift + i] = before[shift + i];
    return now == before;
  }

  bytes memory;
  bytes before;
  unsigned char* first;
};

}  // namespace lastcpu::test
