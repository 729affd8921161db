// SPDX-License-Identifier: BSL-1.0
#pragma once
// A static ELF executable of 64 bits, looked at but not believed: elf64_file::check() says that every segment and the entry
// are where they may be, and only then is anything of it used. Writes nothing; reads inside the file only.
//
// Two kinds: ET_EXEC, whose segments go to their physical addresses; and ET_DYN, position-independent, as -static-pie
// links it: all of it moves by one distance from its virtual addresses to the lowest place in bounds that its alignment
// allows, a page at least. Its relocations: elf64_relocations.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/load_error.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// The processor that a file is for, as its header names it.
enum class elf64_machine : uint16_t {
  x86_64 = 62,    ///< EM_X86_64
  aarch64 = 183,  ///< EM_AARCH64
  riscv = 243,    ///< EM_RISCV, of 64 bits
};

/// A program header, as the ELF specification has it.
struct elf64_segment {
  uint32_t type;              ///< p_type: 1 is PT_LOAD
  uint32_t flags;             ///< p_flags: segment_flag, or-ed
  uint64_t file_offset;       ///< p_offset
  uint64_t virtual_address;   ///< p_vaddr
  uint64_t physical_address;  ///< p_paddr: where it goes
  uint64_t file_bytes;        ///< p_filesz
  uint64_t memory_bytes;      ///< p_memsz: what the file does not have is zero
  uint64_t alignment;         ///< p_align

  /// It takes memory.
  [[nodiscard]] constexpr bool is_loaded() const noexcept { return type == 1 && memory_bytes != 0; }
  /// It has code.
  [[nodiscard]] constexpr bool is_executable() const noexcept { return (flags & 1) != 0; }
};

///@{
/// The program header at `at`, read and written.
[[nodiscard]] inline elf64_segment read_segment(const unsigned char* at) noexcept {
  return {read_word<uint32_t>(at),      read_word<uint32_t>(at + 4),  read_word<uint64_t>(at + 8),
          read_word<uint64_t>(at + 16), read_word<uint64_t>(at + 24), read_word<uint64_t>(at + 32),
          read_word<uint64_t>(at + 40), read_word<uint64_t>(at + 48)};
}

inline void write_segment(unsigned char* at, const elf64_segment& s) noexcept {
  write_word(at, s.type);
  write_word(at + 4, s.flags);
  write_word(at + 8, s.file_offset);
  write_word(at + 16, s.virtual_address);
  write_word(at + 24, s.physical_address);
  write_word(at + 32, s.file_bytes);
  write_word(at + 40, s.memory_bytes);
  write_word(at + 48, s.alignment);
}
///@}

/// Where segments may be: [first, control), and what lies behind that, up to `end`.
struct elf64_bounds {
  uint64_t first;    ///< physical address
  uint64_t control;  ///< physical address of the control area
  uint64_t end;      ///< physical address behind the region
};

/// A file in memory, which nobody writes to meanwhile. Thread context.
class elf64_file {
 public:
  /// The first four bytes.
  static constexpr uint32_t magic = 0x464c'457f;
  /// The ELF header's size.
  static constexpr uint64_t header_bytes = 64;
  /// A program header's size.
  static constexpr uint64_t segment_bytes = 56;
  /// A file with more program headers is refused.
  static constexpr uint32_t most_segments = 128;

  /// `bytes` bytes at `file`, which are not looked at yet.
  elf64_file(const unsigned char* file, uint64_t bytes) noexcept : file_(file), bytes_(bytes) {}

  /// What is wrong with the file, for this machine and these bounds; `none`: nothing. Places it, too, at bounds.first.
  [[nodiscard]] load_error check(elf64_machine machine, const elf64_bounds& bounds) noexcept;

  // After check() has found nothing:

  /// What check() has done already, for a second look at the same file. Returns its lowest address if it moves, `first`
  /// if not.
  uint64_t place(uint64_t first) noexcept;
  /// It is ET_DYN.
  [[nodiscard]] bool is_position_independent() const noexcept { return read_word<uint16_t>(file_ + 16) == type_dyn; }
  /// The processor that it is for.
  [[nodiscard]] elf64_machine machine() const noexcept { return elf64_machine{read_word<uint16_t>(file_ + 18)}; }
  /// Added to each of its virtual addresses, modulo 2^64; 0 for ET_EXEC.
  [[nodiscard]] uint64_t distance() const noexcept { return distance_; }
  /// Physical address of its first instruction.
  [[nodiscard]] uint64_t entry() const noexcept { return read_word<uint64_t>(file_ + 24) + distance_; }
  /// How many program headers there are.
  [[nodiscard]] uint32_t segment_count() const noexcept { return read_word<uint16_t>(file_ + 56); }
  /// The program header number `i`, with the address that it was placed at.
  [[nodiscard]] elf64_segment segment(uint32_t i) const noexcept;
  /// What one segment brings from the file to the virtual addresses [address, address + n); null where none does.
  [[nodiscard]] const unsigned char* content(uint64_t address, uint64_t n) const noexcept;
  /// The virtual addresses [address, address + n) are in one segment, of the file or zero.
  [[nodiscard]] bool has_memory(uint64_t address, uint64_t n) const noexcept;

 private:
  static constexpr uint16_t type_exec = 2;
  static constexpr uint16_t type_dyn = 3;

  [[nodiscard]] load_error check_header(elf64_machine machine) const noexcept;
  [[nodiscard]] load_error check_segment(const elf64_segment& s, const elf64_bounds& bounds) const noexcept;
  [[nodiscard]] static constexpr bool is_within(uint64_t offset, uint64_t n, uint64_t bytes) noexcept {
    return offset <= bytes && n <= bytes - offset;
  }
  [[nodiscard]] bool overlaps_an_earlier(uint32_t i) const noexcept;
  [[nodiscard]] bool has_entry_in_code() const noexcept;
  [[nodiscard]] uint64_t segments_offset() const noexcept { return read_word<uint64_t>(file_ + 32); }

  const unsigned char* file_;
  uint64_t bytes_;
  uint64_t distance_ = 0;
};

inline elf64_segment elf64_file::segment(uint32_t i) const noexcept {
  elf64_segment s = read_segment(file_ + segments_offset() + i * segment_bytes);
  if (is_position_independent()) s.physical_address = s.virtual_address + distance_;
  return s;
}

// The distance is a multiple of each alignment, so that what the linker has aligned stays so.
inline uint64_t elf64_file::place(uint64_t first) noexcept {
  if (!is_position_independent()) return first;
  uint64_t lowest = ~uint64_t{0};
  uint64_t unit = page_bytes;
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    if (!s.is_loaded()) continue;
    if (s.virtual_address < lowest) lowest = s.virtual_address;
    if (s.alignment > unit) unit = s.alignment;
  }
  distance_ = round_up(first - lowest, unit);
  return lowest + distance_;
}

inline load_error elf64_file::check(elf64_machine machine, const elf64_bounds& bounds) noexcept {
  const load_error header = check_header(machine);
  if (header != load_error::none) return header;
  const elf64_bounds room{place(bounds.first), bounds.control, bounds.end};  // below its lowest, a segment has wrapped
  if (room.first < bounds.first) return load_error::payload_too_large;
  bool loads = false;
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    const load_error wrong = check_segment(s, room);
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
  if (this->machine() != machine) return load_error::wrong_machine;
  const auto type = read_word<uint16_t>(file_ + 16);
  if (type != type_exec && type != type_dyn) return load_error::wrong_type;
  if (read_word<uint16_t>(file_ + 54) != segment_bytes) return load_error::bad_program_headers;
  if (segment_count() == 0 || segment_count() > most_segments) return load_error::bad_program_headers;
  const uint64_t at = segments_offset();
  const bool inside = at <= bytes_ && segment_count() * segment_bytes <= bytes_ - at;
  return inside ? load_error::none : load_error::truncated_program_headers;
}

inline load_error elf64_file::check_segment(const elf64_segment& s, const elf64_bounds& bounds) const noexcept {
  constexpr uint32_t dynamic = 2;
  constexpr uint32_t interpreter = 3;
  if (s.type == dynamic && !is_position_independent()) return load_error::dynamic;
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
  if (is_position_independent() && (s.physical_address < bounds.first || end > bounds.control))
    return load_error::payload_too_large;
  if (s.physical_address < bounds.first || end > bounds.end) return load_error::segment_outside_region;
  if (end > bounds.control) return load_error::segment_in_control_area;
  if (s.file_offset > bytes_ || s.file_bytes > bytes_ - s.file_offset) return load_error::segment_truncated;
  return load_error::none;
}

inline const unsigned char* elf64_file::content(uint64_t address, uint64_t n) const noexcept {
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    if (s.is_loaded() && is_within(address - s.virtual_address, n, s.file_bytes))
      return file_ + s.file_offset + (address - s.virtual_address);
  }
  return nullptr;
}

inline bool elf64_file::has_memory(uint64_t address, uint64_t n) const noexcept {
  for (uint32_t i = 0; i < segment_count(); ++i) {
    const elf64_segment s = segment(i);
    if (s.is_loaded() && is_within(address - s.virtual_address, n, s.memory_bytes)) return true;
  }
  return false;
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
