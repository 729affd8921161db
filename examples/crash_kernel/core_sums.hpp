// SPDX-License-Identifier: BSL-1.0
#pragma once
// XXH64 of each range of memory in a core, as its writer has read it: a block of its own behind the last byte of memory,
// little-endian. No debugger looks there, and the header stays as the dying kernel has left it, under its seal.
//
//     uint64_t magic "lcpusums", count; {uint64_t file offset, bytes, sum} for each range; XXH64 of all before; zeros

#include <lastcpu/kexec/digest.hpp>

#include <stdint.h>

#include "core_plan.hpp"

/// At a physical address for a device to read.
class core_sums {
 public:
  static constexpr uint64_t magic = 0x736d'7573'7570'636c;  // "lcpusums"
  static constexpr uint64_t block = 4096;                   // disks whose sectors are larger than 512 take no less

  void begin() noexcept {
    words_[0] = magic;
    words_[1] = 0;
  }
  /// `sum` of a whole range.
  void add(const core_range& r, uint64_t sum) noexcept {
    if (words_[1] == core_plan::most_ranges) return;
    uint64_t* const entry = words_ + head + words_[1]++ * entry_words;
    entry[0] = r.offset;
    entry[1] = r.bytes;
    entry[2] = sum;
  }
  /// Once, behind the last. The block is whole then.
  void finish() noexcept {
    lastcpu::kexec::xxh64 sum;
    const uint64_t words = head + words_[1] * entry_words;
    sum.add(data(), words * sizeof(uint64_t));
    words_[words] = sum.value();
  }

  [[nodiscard]] const unsigned char* data() const noexcept { return reinterpret_cast<const unsigned char*>(words_); }
  /// Of all of it for so many ranges; a multiple of a block.
  [[nodiscard]] static constexpr uint64_t bytes(uint64_t ranges) noexcept {
    return lastcpu::kexec::round_up((head + ranges * entry_words + 1) * sizeof(uint64_t), block);
  }

 private:
  static constexpr uint64_t head = 2, entry_words = 3;

  uint64_t words_[head + core_plan::most_ranges * entry_words + 1 + block / sizeof(uint64_t)];
};
