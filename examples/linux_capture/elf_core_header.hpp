// SPDX-License-Identifier: BSL-1.0
#pragma once
// The core's header as Linux takes it by `elfcorehdr=`: where a file has an offset, it has a physical address. What /proc/vmcore
// shows is what its PT_LOADs name. Pure: a hosted test makes one.

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_file.hpp>
#include <lastcpu/kexec/core_reader.hpp>

#include <stdint.h>

/// What Linux will have written over: [0, bytes), and where a copy of it is.
struct low_memory {
  uint64_t bytes;
  uint64_t copy;
};

class elf_core_header {
 public:
  /// The beginning of a core, `bytes` at `core`, at `physical`: one that core_reader::check() has let pass.
  elf_core_header(const unsigned char* core, uint64_t bytes, uint64_t physical) noexcept
      : core_(core), bytes_(bytes), physical_(physical), reader_(core, bytes) {}

  /// As many bytes as write() may need.
  [[nodiscard]] uint64_t room() const noexcept { return header_bytes + 2 * count() * segment_bytes; }

  /// Writes it to room() bytes at `to`, and returns how many it has become.
  uint64_t write(unsigned char* to, const low_memory& low) const noexcept {
    lastcpu::kexec::copy_bytes(to, core_, header_bytes);
    lastcpu::kexec::write_word(to + lastcpu::kexec::laid_out_anew_at, lastcpu::kexec::laid_out_anew);
    uint32_t written = 0;
    for (uint32_t i = 0; i < count(); ++i) {
      const segment s = reader_.segment(i);
      const bool is_memory = s.type == load;
      const uint64_t all = s.file_bytes + (is_memory ? 0 : end_of(s));
      const uint64_t first = is_memory ? s.physical_address : physical_ + s.file_offset;
      const uint64_t below = is_memory && first < low.bytes ? smaller(all, low.bytes - first) : 0;
      if (below != 0) put(to, written++, s, {0, below, low.copy + first});
      if (below != all || all == 0) put(to, written++, s, {below, all - below, first + below});
    }
    lastcpu::kexec::write_word(to + 56, static_cast<uint16_t>(written));
    return header_bytes + written * segment_bytes;
  }

 private:
  using segment = lastcpu::kexec::elf64_segment;
  static constexpr uint64_t header_bytes = 64, segment_bytes = 56;
  static constexpr uint32_t load = 1;

  struct part {  // of a segment
    uint64_t from;
    uint64_t bytes;
    uint64_t found_at;
  };

  [[nodiscard]] uint32_t count() const noexcept { return reader_.segment_count(); }
  [[nodiscard]] static uint64_t smaller(uint64_t a, uint64_t b) noexcept { return a < b ? a : b; }

  /// Linux reads notes up to an empty one, also behind the last.
  [[nodiscard]] uint64_t end_of(const segment& notes) const noexcept {
    constexpr uint64_t empty_note = 12;
    const uint64_t end = notes.file_offset + notes.file_bytes;
    if (end > bytes_ || bytes_ - end < empty_note) return 0;
    for (uint64_t at = end; at < end + empty_note; ++at)
      if (core_[at] != 0) return 0;
    return empty_note;
  }

  static void put(unsigned char* to, uint32_t number, const segment& s, const part& p) noexcept {
    lastcpu::kexec::write_segment(to + header_bytes + number * segment_bytes,
                                  {s.type, s.flags, p.found_at, s.virtual_address + p.from, s.physical_address + p.from,
                                   p.bytes, p.bytes, s.alignment});
  }

  const unsigned char* core_;
  uint64_t bytes_;
  uint64_t physical_;
  lastcpu::kexec::core_reader reader_;
};
