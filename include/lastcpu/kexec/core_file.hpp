// SPDX-License-Identifier: BSL-1.0
#pragma once
// The beginning of a core file, made where there is nothing but memory:
//
//   0             ELF header (ET_CORE)
//   64            program headers: PT_NOTE; a PT_LOAD for each range of memory, in ascending order; one for each segment
//                 of the kernel's image
//   4 modulo 8    the notes (core_notes.hpp): the handover with room for all CPUs, then NT_PRSTATUS one by one
//   header_bytes  memory, range by range
//
// A segment of the image whose memory is saved anyway points into that; one whose memory is not has its own bytes, behind
// all ranges. So whoever writes the file goes through the PT_LOADs in their order and copies those that begin where the
// ones before have ended (core_reader.hpp).
// PT_NOTE's p_filesz ends behind the last note that is whole. Any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_notes.hpp>
#include <lastcpu/kexec/core_ranges.hpp>
#include <lastcpu/kexec/elf64.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// In the header of a core that is laid out anew, as a small one is, in bytes that ELF leaves alone: its beginning is not
/// the one that handover::core_sum is of.
inline constexpr uint64_t laid_out_anew_at = 12;
/// What stands there: "anew".
inline constexpr uint32_t laid_out_anew = 0x7765'6e61;

namespace detail {

inline constexpr uint64_t note_segment = elf64_file::header_bytes;  // offset of its program header
inline constexpr uint64_t note_segment_file_bytes = note_segment + 32;

// With room for as many program headers, and all of it zero but for what is said here.
inline void write_core_header(unsigned char* to, elf64_machine machine, uint32_t segments) noexcept {
  zero_bytes(to, elf64_file::header_bytes + segments * elf64_file::segment_bytes);
  write_word(to, elf64_file::magic);
  to[4] = 2;  // 64 bits
  to[5] = 1;  // little-endian
  to[6] = 1;
  write_word(to + 16, uint16_t{4});  // ET_CORE
  write_word(to + 18, static_cast<uint16_t>(machine));
  write_word(to + 20, uint32_t{1});
  write_word(to + 32, uint64_t{elf64_file::header_bytes});
  write_word(to + 52, static_cast<uint16_t>(elf64_file::header_bytes));
  write_word(to + 54, static_cast<uint16_t>(elf64_file::segment_bytes));
  write_word(to + 56, static_cast<uint16_t>(segments));
}

}  // namespace detail

/// What is wrong with the facts, before anything is made of them; `none`: nothing. `map_bytes`: what whoever writes the
/// core can read.
[[nodiscard]] inline load_error check_contents(const kernel_facts& facts, const ram_range& region,
                                               uint64_t map_bytes) noexcept {
  load_error wrong = check_facts(facts, region, map_bytes);
  if (wrong != load_error::none) return wrong;
  core_ranges(facts, region).for_each([&](const ram_range& r) {
    if (r.end() > map_bytes) wrong = load_error::memory_above_map;
  });
  return wrong;
}

/// Where everything is in the file. Depends on the number of ranges and CPUs only.
struct core_layout {
  uint32_t segments;        ///< PT_NOTE included
  uint64_t notes;           ///< offset of the first note
  uint64_t handover;        ///< offset
  uint64_t handover_bytes;  ///< the room for CPUs included
  uint64_t header_bytes;    ///< a multiple of a page: where memory begins

  /// Offset of the first byte behind the handover.
  [[nodiscard]] uint64_t behind_handover() const noexcept { return handover + handover_bytes; }

  /// Fills it in, for as many CPUs in the handover.
  template <class Machine>
  void place(const kernel_facts& facts, const ram_range& region, uint32_t cpu_capacity) noexcept {
    segments = 1 + facts.image_count;
    core_ranges(facts, region).for_each([this](const ram_range&) { ++segments; });
    notes = elf64_file::header_bytes + segments * elf64_file::segment_bytes + 4;
    handover = notes + note_header_bytes;
    handover_bytes = kexec::handover_bytes<cpu_entry_of<Machine>>(cpu_capacity);
    header_bytes = round_up(behind_handover() + cpu_capacity * prstatus_note_bytes<Machine>, page_bytes);
  }
};

/// Writes ELF header, program headers and the header of the handover's note, at `to`, for a layout of the same facts.
class core_builder {
 public:
  /// `layout` and `facts` stay where they are.
  core_builder(unsigned char* to, const core_layout& layout, const kernel_facts& facts,
               const ram_range& region) noexcept
      : to_(to), layout_(layout), facts_(facts), ranges_(facts, region), end_(layout.header_bytes) {}

  /// Writes them; nothing can go wrong with facts that check_contents() has let pass.
  void build(elf64_machine machine) noexcept {
    zero_bytes(to_, layout_.handover);
    detail::write_core_header(to_, machine, layout_.segments);
    const uint64_t note_bytes = note_header_bytes + layout_.handover_bytes;
    add({4, 4, layout_.notes, 0, 0, note_bytes, 0, 4});
    ranges_.for_each([this](const ram_range& r) {
      constexpr uint32_t readable_and_writable = 6;
      const uint64_t at = facts_.direct_map_virtual + (r.physical - facts_.direct_map_physical);
      add({1, readable_and_writable, end_, at, r.physical, r.bytes, r.bytes, page_bytes});
      end_ += r.bytes;
    });
    for (uint32_t i = 0; i < facts_.image_count; ++i) add_image(facts_.image[i]);
    detail::write_handover_note_header(to_ + layout_.notes, layout_.handover_bytes);
  }

  /// After build(): of the whole file.
  [[nodiscard]] uint64_t file_bytes() const noexcept { return end_; }

 private:
  void add(const elf64_segment& s) noexcept {
    write_segment(to_ + elf64_file::header_bytes + added_ * elf64_file::segment_bytes, s);
    ++added_;
  }

  void add_image(const image_segment& s) noexcept {
    const uint64_t lead = s.physical & (page_bytes - 1);
    const uint64_t physical = s.physical - lead;
    const uint64_t bytes = round_up(lead + s.bytes, page_bytes);
    uint64_t offset = saved_at(physical, bytes);
    if (offset == 0) {
      offset = end_;
      end_ += bytes;
    }
    add({1, s.flags, offset, s.virtual_address - lead, physical, bytes, bytes, page_bytes});
  }

  // File offset of memory that a range has all of; 0: none has.
  [[nodiscard]] uint64_t saved_at(uint64_t physical, uint64_t bytes) const noexcept {
    uint64_t before = layout_.header_bytes;
    uint64_t found = 0;
    ranges_.for_each([&](const ram_range& r) {
      if (r.contains(physical, bytes)) found = before + (physical - r.physical);
      before += r.bytes;
    });
    return found;
  }

  unsigned char* to_;
  const core_layout& layout_;
  const kernel_facts& facts_;
  core_ranges ranges_;
  uint64_t end_;
  uint32_t added_ = 0;
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
