// SPDX-License-Identifier: BSL-1.0
#pragma once
// The core's header as Linux takes it by `elfcorehdr=`: where a file has an offset, it has a physical address. What /proc/vmcore
// shows is what its PT_LOADs name. Pure: a hosted test makes one.

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_file.hpp>

#include <stdint.h>

/// What Linux will have written over: [0, bytes), and where a copy of it is.
struct low_memory {
  uint64_t bytes;
  uint64_t copy;
};

class elf_core_header {
 public:
  /// `core` is the beginning of the core, at `physical`.
  elf_core_header(const unsigned char* core, uint64_t bytes, uint64_t physical) noexcept
      : core_(core), bytes_(bytes), physical_(physical) {}

  /// Null, or what is wrong with it.
  [[nodiscard]] const char* check() const noexcept {
    if (bytes_ < header_bytes || word<uint32_t>(0) != 0x464c'457f || word<uint16_t>(16) != 4)
      return "the core area does not begin with the header of a core";
    if (word<uint64_t>(32) != header_bytes || word<uint16_t>(54) != segment_bytes || count() == 0 ||
        header_bytes + count() * segment_bytes > bytes_)
      return "the program headers of the core are not behind its header";
    const uint64_t at = field(0, offset), size = field(0, file_bytes);
    if (word<uint32_t>(header_bytes) != note || at > bytes_ || size > bytes_ - at)
      return "the notes of the core are not in the core area";
    return nullptr;
  }

  /// After check(): as many bytes as write() may need.
  [[nodiscard]] uint64_t room() const noexcept { return header_bytes + 2 * count() * segment_bytes; }

  /// After check(): writes it to room() bytes at `to`, and returns how many it has become.
  uint64_t write(unsigned char* to, const low_memory& low) const noexcept {
    lastcpu::kexec::copy_bytes(to, core_, header_bytes);
    lastcpu::kexec::write_word(to + lastcpu::kexec::laid_out_anew_at, lastcpu::kexec::laid_out_anew);
    uint32_t written = 0;
    for (uint32_t i = 0; i < count(); ++i) {
      const bool is_memory = word<uint32_t>(header_bytes + i * segment_bytes) == load;
      const uint64_t all = field(i, file_bytes) + (is_memory ? 0 : end_of_notes(i));
      const uint64_t first = is_memory ? field(i, at_physical) : physical_ + field(i, offset);
      const uint64_t below = is_memory && first < low.bytes ? smaller(all, low.bytes - first) : 0;
      if (below != 0) put(to, written++, i, {0, below, low.copy + first});
      if (below != all || all == 0) put(to, written++, i, {below, all - below, first + below});
    }
    lastcpu::kexec::write_word(to + 56, static_cast<uint16_t>(written));
    return header_bytes + written * segment_bytes;
  }

 private:
  static constexpr uint64_t header_bytes = 64, segment_bytes = 56;
  static constexpr uint32_t load = 1, note = 4;
  static constexpr uint64_t offset = 8, at_virtual = 16, at_physical = 24, file_bytes = 32, memory_bytes = 40;

  struct part {  // of a segment
    uint64_t from;
    uint64_t bytes;
    uint64_t found_at;
  };

  template <class T>
  [[nodiscard]] T word(uint64_t at) const noexcept {
    return lastcpu::kexec::read_word<T>(core_ + at);
  }
  [[nodiscard]] uint32_t count() const noexcept { return word<uint16_t>(56); }
  [[nodiscard]] uint64_t field(uint32_t i, uint64_t which) const noexcept {
    return word<uint64_t>(header_bytes + i * segment_bytes + which);
  }
  [[nodiscard]] static uint64_t smaller(uint64_t a, uint64_t b) noexcept { return a < b ? a : b; }

  /// Linux reads notes up to an empty one, also behind the last.
  [[nodiscard]] uint64_t end_of_notes(uint32_t i) const noexcept {
    constexpr uint64_t empty_note = 12;
    const uint64_t end = field(i, offset) + field(i, file_bytes);
    if (end > bytes_ || bytes_ - end < empty_note) return 0;
    for (uint64_t at = end; at < end + empty_note; ++at)
      if (core_[at] != 0) return 0;
    return empty_note;
  }

  void put(unsigned char* to, uint32_t number, uint32_t i, const part& p) const noexcept {
    using lastcpu::kexec::write_word;
    unsigned char* const at = to + header_bytes + number * segment_bytes;
    lastcpu::kexec::copy_bytes(at, core_ + header_bytes + i * segment_bytes, segment_bytes);
    write_word(at + offset, p.found_at);
    write_word(at + at_virtual, field(i, at_virtual) + p.from);
    write_word(at + at_physical, field(i, at_physical) + p.from);
    write_word(at + file_bytes, p.bytes);
    write_word(at + memory_bytes, p.bytes);
  }

  const unsigned char* core_;
  uint64_t bytes_;
  uint64_t physical_;
};
