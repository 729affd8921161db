// SPDX-License-Identifier: BSL-1.0
#pragma once
// A static ELF executable of 64 bits, looked at but not believed: elf64_file::check() says that every segment and the entry
// are where they may be, and only then is anything of it used. Writes nothing; reads inside the file only.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/load_error.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// The processor that a file is for, as its header names it.
enum class elf64_machine : uint16_t { x86_64 = 62, aarch64 = 183, riscv = 243 };

struct elf64_segment {
  uint32_t type;
  uint32_t flags;
  uint64_t file_offset;
  uint64_t virtual_address;
  uint64_t physical_address;
  uint64_t file_bytes;
  uint64_t memory_bytes;
  uint64_t alignment;

  [[nodiscard]] constexpr bool is_loaded() const noexcept { return type == 1 && memory_bytes != 0; }
  [[nodiscard]] constexpr bool is_executable() const noexcept { return (flags & 1) != 0; }
};

/// Where segments may be: [first, control), and what lies behind that, up to `end`.
struct elf64_bounds {
  uint64_t first;
  uint64_t control;
  uint64_t end;
};

class elf64_file {
 public:
  static constexpr uint32_t magic = 0x464c'457f;
  static constexpr uint64_t header_bytes = 64;
  static constexpr uint64_t segment_bytes = 56;
  static constexpr uint32_t most_segments = 128;

  elf64_file(const unsigned char* file, uint64_t bytes) noexcept : file_(file), bytes_(bytes) {}

  [[nodiscard]] load_error check(elf64_machine machine, const elf64_bounds& bounds) const noexcept;

  // After check() has found nothing:
  [[nodiscard]] uint64_t entry() const noexcept { return read_word<uint64_t>(file_ + 24); }
  [[nodiscard]] uint32_t segment_count() const noexcept { return read_word<uint16_t>(file_ + 56); }
  [[nodiscard]] elf64_segment segment(uint32_t i) const noexcept;

 private:
  [[nodiscard]] load_error check_header(elf64_machine machine) const noexcept;
  [[nodiscard]] load_error check_segment(const elf64_segment& s, const elf64_bounds& bounds) const noexcept;
  [[nodiscard]] bool overlaps_an_earlier(uint32_t i) const noexcept;
  [[nodiscard]] bool has_entry_in_code() const noexcept;
  [[nodiscard]] uint64_t segments_offset() const noexcept { return read_word<uint64_t>(file_ + 32); }

  const unsigned char* file_;
  uint64_t bytes_;
};

inline elf64_segment elf64_file::segment(uint32_t i) const noexcept {
  const unsigned char* at = file_ + segments_offset() + i * segment_bytes;
  return {read_word<uint32_t>(at),      read_word<uint32_t>(at + 4),  read_word<uint64_t>(at + 8),
          read_word<uint64_t>(at + 16), read_word<uint64_t>(at + 24), read_word<uint64_t>(at + 32),
          read_word<uint64_t>(at + 40), read_word<uint64_t>(at + 48)};
}

inline load_error elf64_file::check(elf64_machine machine, const elf64_bounds& bounds) const noexcept {
  const load_error header = check_header(machine);
  if (header != load_error::none) return header;
  bool loads = false;
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    const load_error wrong = check_segment(s, bounds);
    if (wrong != load_error::none) return wrong;
    if (!s.is_loaded()) continue;
    if (overlaps_an_earlier(i)) return load_error::segments_overlap;
    loads = true;
  }
  if (!loads) return load_error::no_segments;
  return has_entry_in_code() ? load_error::none : load_error::entry_outside;
}

inline load_error elf64_file::check_header(elf64_machine machine) const noexcept {
  if (bytes_ >= 4 && read_word<uint32_t>(file_) != magic) return load_error::not_elf;
  if (bytes_ < header_bytes) return load_error::truncated_header;
  if (file_[4] != 2) return load_error::wrong_class;
  if (file_[5] != 1) return load_error::wrong_byte_order;
  if (file_[6] != 1 || read_word<uint32_t>(file_ + 20) != 1) return load_error::wrong_version;
  if (elf64_machine{read_word<uint16_t>(file_ + 18)} != machine) return load_error::wrong_machine;
  if (read_word<uint16_t>(file_ + 16) != 2) return load_error::wrong_type;
  if (read_word<uint16_t>(file_ + 54) != segment_bytes) return load_error::bad_program_headers;
  if (segment_count() == 0 || segment_count() > most_segments) return load_error::bad_program_headers;
  const uint64_t at = segments_offset();
  const bool inside = at <= bytes_ && segment_count() * segment_bytes <= bytes_ - at;
  return inside ? load_error::none : load_error::truncated_program_headers;
}

inline load_error elf64_file::check_segment(const elf64_segment& s, const elf64_bounds& bounds) const noexcept {
  constexpr uint32_t dynamic = 2;
  constexpr uint32_t interpreter = 3;
  if (s.type == dynamic) return load_error::dynamic;
  if (s.type == interpreter) return load_error::interpreter;
  if (s.type != 1) return load_error::none;
  if (s.file_bytes > s.memory_bytes) return load_error::segment_too_short;
  if (s.memory_bytes == 0) return load_error::none;
  const uint64_t mask = s.alignment == 0 ? 0 : s.alignment - 1;
  if ((s.alignment & mask) != 0) return load_error::segment_misaligned;
  if (((s.virtual_address ^ s.file_offset) & mask) != 0) return load_error::segment_misaligned;
  if (((s.virtual_address ^ s.physical_address) & mask) != 0) return load_error::segment_misaligned;
  if (s.memory_bytes > ~s.physical_address) return load_error::segment_wraps;
  const uint64_t end = s.physical_address + s.memory_bytes;
  if (s.physical_address < bounds.first || end > bounds.end) return load_error::segment_outside_region;
  if (end > bounds.control) return load_error::segment_in_control_area;
  if (s.file_offset > bytes_ || s.file_bytes > bytes_ - s.file_offset) return load_error::segment_truncated;
  return load_error::none;
}

// Those before `i` have been checked: their ends don't wrap.
inline bool elf64_file::overlaps_an_earlier(uint32_t i) const noexcept {
  const elf64_segment s = segment(i);
  for (uint32_t k = 0; k < i; ++k) {
    const elf64_segment other = segment(k);
    if (other.is_loaded() && other.physical_address < s.physical_address + s.memory_bytes &&
        s.physical_address < other.physical_address + other.memory_bytes)
      return true;
  }
  return false;
}

inline bool elf64_file::has_entry_in_code() const noexcept {
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    if (s.is_loaded() && s.is_executable() && entry() - s.physical_address < s.file_bytes) return true;
  }
  return false;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
