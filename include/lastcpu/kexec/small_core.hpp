// SPDX-License-Identifier: BSL-1.0
#pragma once
// A core for a line that is slow: the notes, the image's segments that can be written to (.data and .bss; not those that
// the kernel has marked as not_in_small_cores), and the stacks
// of the CPUs that have registers, each from its stack pointer to where its memory ends, 16 KiB at most. It opens in the
// same tools, with the kernel's file; what is only read is there.
//
// For the crash kernel: it is planned from the beginning of the core that the dying kernel has left (core_file.hpp), and
// made piece by piece while it is sent. Nothing of the dead kernel is believed: what is not memory, as the handover says,
// is neither read nor in the file. `Machine` and `Walk`: core_notes.hpp, old_memory.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_file.hpp>
#include <lastcpu/kexec/core_notes.hpp>
#include <lastcpu/kexec/core_reader.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/elf64.hpp>
#include <lastcpu/kexec/handover.hpp>
#include <lastcpu/kexec/old_memory.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// Six KiB of plain memory; no state elsewhere. Any context.
template <class Machine, class Walk, uint32_t MostParts = 64>
class small_core {
 public:
  /// How many pieces of memory it has room for; a further one is left out.
  static constexpr uint32_t most_parts = MostParts;
  /// As much of each stack.
  static constexpr uint64_t most_stack_bytes = 16384;

  /// Decides what is sent. `from`: let pass by open_handover(), in the core's beginning, where it stays. `zero` is
  /// where physical address 0 is mapped. Beside `damaged`, which is to be said, there is a plan all the same.
  [[nodiscard]] core_error plan(const handover& from, uintptr_t zero = 0) noexcept;

  // After plan() has found nothing, or `damaged`:

  /// How long the file is to be.
  [[nodiscard]] uint64_t file_bytes() const noexcept { return file_bytes_; }
  /// How many pieces of memory, each one after the other in both spaces.
  [[nodiscard]] uint32_t parts() const noexcept { return count_; }
  /// Pages that are missing since there was no room for more parts, or a segment has more than 4 GiB.
  [[nodiscard]] uint64_t pages_left_out() const noexcept { return left_out_; }

  /// `bool f(place in the file, const unsigned char*, bytes)` gets all of the file, in order, but for zeros in between.
  /// False as soon as f() is.
  template <class F>
  [[nodiscard]] bool for_each_piece(F f) const noexcept;

 private:
  struct part {
    uint64_t virtual_address;
    uint64_t physical;
    uint64_t bytes;
    uint64_t place;  // in the file
  };
  using memory = old_memory<Walk>;
  static constexpr uint64_t most_header_bytes = elf64_file::header_bytes + (1 + most_parts) * elf64_file::segment_bytes;

  void add_image(const core_reader& core) noexcept;
  void add_stack(uint64_t root, uint64_t stack) noexcept;
  void add_stacks() noexcept;
  void add(uint64_t virtual_address, uint64_t physical, uint64_t bytes) noexcept;
  void append(uint64_t virtual_address, uint64_t physical, uint64_t bytes) noexcept;
  void write_header() noexcept;

  [[nodiscard]] uint64_t notes_place() const noexcept {
    return elf64_file::header_bytes + (1 + count_) * elf64_file::segment_bytes + 4;
  }
  [[nodiscard]] bool is_readable(uint64_t at, uint64_t bytes) const noexcept {
    return ram_range{0, from_->map_bytes}.contains(at, bytes) && from_->is_ram(at, bytes);
  }
  [[nodiscard]] bool is_covered(uint64_t virtual_address) const noexcept {
    for (uint32_t i = 0; i < count_; ++i)
      if (virtual_address - parts_[i].virtual_address < parts_[i].bytes) return true;
    return false;
  }
  // Memory of the direct map, whose program headers come first and follow each other in the file.
  [[nodiscard]] bool is_direct(const elf64_segment& s) const noexcept {
    return s.virtual_address - from_->direct_map_virtual == s.physical_address - from_->direct_map_physical &&
           from_->direct_map_bytes != 0;
  }

  const handover* from_ = nullptr;
  const unsigned char* notes_ = nullptr;
  uint64_t note_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  uintptr_t zero_ = 0;
  uint64_t left_out_ = 0;
  uint32_t count_ = 0;
  part parts_[most_parts] = {};
  alignas(8) unsigned char header_[most_header_bytes] = {};
};

template <class Machine, class Walk, uint32_t MostParts>
core_error small_core<Machine, Walk, MostParts>::plan(const handover& from, uintptr_t zero) noexcept {
  const auto* const begin = reinterpret_cast<const unsigned char*>(zero + from.core_physical);
  const core_reader core(begin, from.core_header_bytes);
  const core_error wrong = core.check(from);
  if (wrong != core_error::none && wrong != core_error::damaged) return wrong;
  const elf64_segment notes = core.segment(0);
  notes_ = begin + notes.file_offset;
  note_bytes_ = notes.file_bytes;
  if (notes_ + note_header_bytes != reinterpret_cast<const unsigned char*>(&from)) return core_error::bad_notes;
  from_ = &from;
  zero_ = zero;
  count_ = 0;
  left_out_ = 0;
  add_image(core);
  add_stacks();
  write_header();
  return wrong;
}

template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::add_image(const core_reader& core) noexcept {
  constexpr uint64_t most_bytes = uint64_t{1} << 32;
  constexpr auto writable = static_cast<uint32_t>(segment_flag::write);
  constexpr auto kept_out = static_cast<uint32_t>(segment_flag::not_in_small_cores);
  uint64_t end = from_->core_header_bytes;
  for (uint32_t i = 1; i < core.segment_count(); ++i) {
    const elf64_segment s = core.segment(i);
    const bool is_new = s.file_offset == end;
    if (is_new) end += s.file_bytes;
    if ((is_new && is_direct(s)) || (s.flags & (writable | kept_out)) != writable) continue;
    const uint64_t n = s.file_bytes < most_bytes ? s.file_bytes : most_bytes;
    add(s.virtual_address, s.physical_address, n);
    left_out_ += (s.file_bytes - n) / page_bytes;
  }
}

template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::add_stacks() noexcept {
  for (uint32_t i = 0; i < from_->cpu_count; ++i) {
    const auto& cpu = *cpu_of<cpu_entry_of<Machine>>(*from_, i);
    if (!cpu.has(handover_flag::registers_valid)) continue;
    const bool has_own = cpu.has(handover_flag::control_valid);
    add_stack(has_own ? Machine::page_tables(cpu.control) : from_->page_tables, Machine::stack_pointer(cpu.regs));
  }
}

// Up to the first page that is not there.
template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::add_stack(uint64_t root, uint64_t stack) noexcept {
  const memory m = memory(*from_, zero_).with_root(root);
  uint64_t at = stack & ~uint64_t{15};
  const uint64_t last = at + (most_stack_bytes - 1);
  if (!Walk::is_kernel_address(at)) return;
  for (uint64_t next = 0; at <= last && at != 0; at = next) {
    next = (at | (page_bytes - 1)) + 1;
    uint64_t physical = 0;
    if (!m.translate(at, physical)) return;
    if (!is_covered(at)) add(at, physical, next - at);
  }
}

// Page by page: what is no memory is not in the file.
template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::add(uint64_t virtual_address, uint64_t physical, uint64_t bytes) noexcept {
  while (bytes != 0) {
    const uint64_t rest = page_bytes - physical % page_bytes;
    const uint64_t n = bytes < rest ? bytes : rest;
    if (is_readable(physical, n)) append(virtual_address, physical, n);
    virtual_address += n;
    physical += n;
    bytes -= n;
  }
}

template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::append(uint64_t virtual_address, uint64_t physical,
                                                  uint64_t bytes) noexcept {
  part* const before = count_ != 0 ? &parts_[count_ - 1] : nullptr;
  if (before != nullptr && before->virtual_address + before->bytes == virtual_address &&
      before->physical + before->bytes == physical)
    before->bytes += bytes;
  else if (count_ != most_parts)
    parts_[count_++] = {virtual_address, physical, bytes, 0};
  else
    ++left_out_;
}

template <class Machine, class Walk, uint32_t MostParts>
void small_core<Machine, Walk, MostParts>::write_header() noexcept {
  detail::write_core_header(header_, Machine::machine, 1 + count_);
  write_word(header_ + laid_out_anew_at, laid_out_anew);
  unsigned char* at = header_ + elf64_file::header_bytes;
  write_segment(at, {4, 4, notes_place(), 0, 0, note_bytes_, 0, 4});
  uint64_t end = notes_place() + note_bytes_;
  for (uint32_t i = 0; i < count_; ++i) {
    constexpr uint32_t readable_and_writable = 6;
    part& p = parts_[i];
    p.place = round_up(end, page_bytes) + p.virtual_address % page_bytes;
    end = p.place + p.bytes;
    at += elf64_file::segment_bytes;
    write_segment(at, {1, readable_and_writable, p.place, p.virtual_address, p.physical, p.bytes, p.bytes, page_bytes});
  }
  file_bytes_ = end;
}

template <class Machine, class Walk, uint32_t MostParts>
template <class F>
bool small_core<Machine, Walk, MostParts>::for_each_piece(F f) const noexcept {
  const uint64_t header_bytes = elf64_file::header_bytes + (1 + count_) * elf64_file::segment_bytes;
  if (!f(uint64_t{0}, static_cast<const unsigned char*>(header_), header_bytes)) return false;
  if (!f(notes_place(), notes_, note_bytes_)) return false;
  const memory m(*from_, zero_);
  unsigned char piece[512];
  for (uint32_t i = 0; i < count_; ++i) {
    const part& p = parts_[i];
    for (uint64_t done = 0; done < p.bytes;) {
      const uint64_t rest = p.bytes - done;
      const uint64_t n = rest < sizeof piece ? rest : sizeof piece;
      if (!m.copy_physical(p.physical + done, piece, n)) return false;
      if (!f(p.place + done, static_cast<const unsigned char*>(piece), n)) return false;
      done += n;
    }
  }
  return true;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
