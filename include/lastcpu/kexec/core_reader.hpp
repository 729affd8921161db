// SPDX-License-Identifier: BSL-1.0
#pragma once
// The beginning of a core, looked at but not believed, for whoever writes the rest of it: check() first. Reads inside the
// beginning only. Any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_notes.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/digest.hpp>
#include <lastcpu/kexec/elf64.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// What is wrong with the beginning of a core.
enum class core_error : uint32_t {
  none,           ///< nothing
  too_short,      ///< fewer bytes than its headers need
  no_core,        ///< not the header of a 64-bit ELF core
  wrong_machine,  ///< not of the handover's machine
  bad_headers,    ///< program headers of an unknown size or number
  bad_notes,      ///< the notes are not where they belong
  bad_segment,    ///< a segment does not follow the one before
  above_map,      ///< a segment lies above what is mapped here
  damaged,        ///< something has written to it; it can be used, with care
};

/// A sentence for the console, with a remedy where there is one; never null.
[[nodiscard]] constexpr const char* to_string(core_error e) noexcept {
  switch (e) {
    case core_error::none:
      return "the beginning of the core is whole";
    case core_error::too_short:
      return "there are fewer bytes than the core's headers need: the file or the memory ends too early";
    case core_error::no_core:
      return "no core here: this is not the header of a 64-bit ELF core file";
    case core_error::wrong_machine:
      return "the core is of another machine than the handover";
    case core_error::bad_headers:
      return "the core's program headers are of an unknown size or number: it is damaged";
    case core_error::bad_notes:
      return "the core's notes are not where they belong: it is damaged";
    case core_error::bad_segment:
      return "a segment of the core does not follow the one before: it is damaged";
    case core_error::above_map:
      return "a segment of the core lies above the memory that is mapped here: it is damaged";
    case core_error::damaged:
      return "the core's headers are not what the dying kernel left: something wrote to them";
  }
  return "unknown error: the value is damaged";
}

/// The beginning of a core, where it stays.
class core_reader {
 public:
  /// `bytes` is the size of the beginning, where memory follows in the file.
  core_reader(const unsigned char* at, uint64_t bytes) noexcept : at_(at), bytes_(bytes) {}

  /// What is wrong with it; `none`: nothing. For a handover that open_handover() has let pass and whose note is in this
  /// core.
  [[nodiscard]] core_error check(const handover& h) const noexcept;

  // After check() has found nothing:
  /// PT_NOTE is the first; the rest are PT_LOADs.
  [[nodiscard]] uint32_t segment_count() const noexcept { return read_word<uint16_t>(at_ + 56); }
  /// The program header number `i`, below segment_count().
  [[nodiscard]] elf64_segment segment(uint32_t i) const noexcept {
    return read_segment(at_ + elf64_file::header_bytes + i * elf64_file::segment_bytes);
  }
  /// Calls f(segment) for each that brings bytes which no segment before it has, in the order of the file: what is to be
  /// copied, behind the beginning itself, each from its physical address.
  template <class F>
  void for_each_new(F f) const noexcept {
    uint64_t end = bytes_;
    for (uint32_t i = 1; i < segment_count(); ++i) {
      const elf64_segment s = segment(i);
      if (s.file_offset != end) continue;
      end += s.file_bytes;
      f(s);
    }
  }
  /// How long the whole file is to be.
  [[nodiscard]] uint64_t file_bytes() const noexcept {
    uint64_t end = bytes_;
    for_each_new([&end](const elf64_segment& s) { end = s.file_offset + s.file_bytes; });
    return end;
  }

 private:
  [[nodiscard]] core_error check_header(uint32_t machine) const noexcept;
  [[nodiscard]] core_error check_segments(uint64_t map_bytes) const noexcept;

  const unsigned char* at_;
  uint64_t bytes_;
};

inline core_error core_reader::check_header(uint32_t machine) const noexcept {
  if (bytes_ < elf64_file::header_bytes) return core_error::too_short;
  constexpr uint64_t core_of_64_bits = 0x01'0102'464c'457f;
  if ((read_word<uint64_t>(at_) & 0x00ff'ffff'ffff'ffff) != core_of_64_bits) return core_error::no_core;
  if (read_word<uint16_t>(at_ + 16) != 4 || read_word<uint32_t>(at_ + 20) != 1) return core_error::no_core;
  if (read_word<uint16_t>(at_ + 18) != machine) return core_error::wrong_machine;
  if (read_word<uint64_t>(at_ + 32) != elf64_file::header_bytes) return core_error::bad_headers;
  if (read_word<uint16_t>(at_ + 54) != elf64_file::segment_bytes || segment_count() == 0)
    return core_error::bad_headers;
  const bool inside = segment_count() <= (bytes_ - elf64_file::header_bytes) / elf64_file::segment_bytes;
  return inside ? core_error::none : core_error::too_short;
}

inline core_error core_reader::check_segments(uint64_t map_bytes) const noexcept {
  uint64_t end = bytes_;
  for (uint32_t i = 1; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    if (s.type != 1 || s.file_bytes == 0 || s.file_bytes != s.memory_bytes) return core_error::bad_segment;
    if (((s.physical_address | s.file_bytes) & (page_bytes - 1)) != 0) return core_error::bad_segment;
    if (!ram_range{0, map_bytes}.contains(s.physical_address, s.file_bytes)) return core_error::above_map;
    if (s.file_offset == end) {
      if (s.file_bytes > ~end) return core_error::bad_segment;
      end += s.file_bytes;
    } else if (s.file_offset < bytes_ || !ram_range{0, end}.contains(s.file_offset, s.file_bytes)) {
      return core_error::bad_segment;
    }
  }
  return core_error::none;
}

inline core_error core_reader::check(const handover& h) const noexcept {
  const core_error wrong = check_header(h.machine);
  if (wrong != core_error::none) return wrong;
  const elf64_segment notes = segment(0);
  const uint64_t headers = elf64_file::header_bytes + segment_count() * elf64_file::segment_bytes;
  if (notes.type != 4 || notes.file_offset < headers || notes.file_offset % 8 != 4) return core_error::bad_notes;
  if (notes.file_bytes < note_header_bytes + h.bytes) return core_error::bad_notes;
  if (!ram_range{0, bytes_}.contains(notes.file_offset, notes.file_bytes)) return core_error::bad_notes;
  const core_error segments = check_segments(h.map_bytes);
  if (segments != core_error::none || h.seal == 0) return segments;
  const bool as_left = h.core_sum == core_sum(at_, notes.file_offset + note_header_bytes, h.bytes, bytes_);
  return as_left ? core_error::none : core_error::damaged;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
