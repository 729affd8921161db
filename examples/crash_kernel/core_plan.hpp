// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a writer of a core has to write behind the header: each byte of memory once, in the order of the file.

#include <lastcpu/kexec/core_reader.hpp>

#include <stdint.h>

struct core_range {
  uint64_t offset;  // in the file
  uint64_t physical;
  uint64_t bytes;
};

class core_plan {
 public:
  static constexpr uint32_t most_ranges = 192;  // more than the RAM map can be cut into

  /// `header`: the beginning of the file, `header_bytes` of it, which core_reader::check() has let pass. False: it has too
  /// many ranges.
  [[nodiscard]] bool read(unsigned char* header, uint64_t header_bytes) noexcept {
    header_ = header;
    header_bytes_ = file_bytes_ = header_bytes;
    count_ = 0;
    bool has_room = true;
    lastcpu::kexec::core_reader(header, header_bytes).for_each_new([&](const lastcpu::kexec::elf64_segment& s) {
      has_room = has_room && count_ != most_ranges;
      if (!has_room) return;
      ranges_[count_++] = {s.file_offset, s.physical_address, s.file_bytes};
      file_bytes_ = s.file_offset + s.file_bytes;
    });
    return has_room;
  }

  [[nodiscard]] unsigned char* header() const noexcept { return header_; }
  [[nodiscard]] uint64_t header_bytes() const noexcept { return header_bytes_; }
  [[nodiscard]] uint32_t count() const noexcept { return count_; }
  [[nodiscard]] const core_range& operator[](uint32_t i) const noexcept { return ranges_[i]; }
  /// Of the whole file.
  [[nodiscard]] uint64_t file_bytes() const noexcept { return file_bytes_; }
  /// Of memory, without the header.
  [[nodiscard]] uint64_t memory_bytes() const noexcept { return file_bytes_ - header_bytes_; }

 private:
  unsigned char* header_ = nullptr;
  uint64_t header_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  uint32_t count_ = 0;
  core_range ranges_[most_ranges] = {};
};
