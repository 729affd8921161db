// SPDX-License-Identifier: BSL-1.0
#pragma once
// What moves a static position-independent executable: words that get the address of something in the file itself
// (RELATIVE), the only relocations of a program that is linked with -static-pie, whose symbols are all its own. All
// others are refused by name, before anything is written. Reads inside the file only.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/elf64.hpp>
#include <lastcpu/kexec/load_error.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// The relocations of a file in which elf64_file::check() has found nothing; none of ET_EXEC. Thread context.
class elf64_relocations {
 public:
  /// `file` stays where it is.
  explicit elf64_relocations(const elf64_file& file) noexcept : file_(file) {}

  /// What is wrong with them; `none`: nothing.
  [[nodiscard]] load_error check() noexcept;

  /// Writes the moved words into the region. After check() has found nothing here, and when all segments are in the
  /// region.
  void apply(const crash_region& region) noexcept;

 private:
  static constexpr uint64_t tag_bytes = 16;
  static constexpr uint64_t relocation_bytes = 24;

  // r_info of the one kind, with no symbol. 0 is none at all, which linkers leave behind.
  [[nodiscard]] uint64_t relative() const noexcept {
    switch (file_.machine()) {
      case elf64_machine::x86_64:
        return 8;
      case elf64_machine::aarch64:
        return 1027;
      case elf64_machine::riscv:
        return 3;
    }
    return 0;
  }
  [[nodiscard]] load_error find_table() noexcept;
  [[nodiscard]] load_error read_tags(const unsigned char* at, uint64_t bytes) noexcept;
  [[nodiscard]] load_error read_tag(uint64_t tag, uint64_t value) noexcept;

  const elf64_file& file_;
  uint64_t address_ = 0;
  uint64_t bytes_ = 0;
  uint64_t entry_bytes_ = 0;
  const unsigned char* table_ = nullptr;
};

inline load_error elf64_relocations::check() noexcept {
  if (!file_.is_position_independent()) return load_error::none;
  const load_error wrong = find_table();
  if (wrong != load_error::none) return wrong;
  for (uint64_t i = 0; i < bytes_; i += relocation_bytes) {
    const auto info = read_word<uint64_t>(table_ + i + 8);
    if (info == 0) continue;
    if (info != relative()) return load_error::unknown_relocation;
    if (!file_.has_memory(read_word<uint64_t>(table_ + i), 8)) return load_error::relocation_outside;
  }
  return load_error::none;
}

inline void elf64_relocations::apply(const crash_region& region) noexcept {
  if (!file_.is_position_independent() || find_table() != load_error::none) return;
  for (uint64_t i = 0; i < bytes_; i += relocation_bytes) {
    if (read_word<uint64_t>(table_ + i + 8) == 0) continue;
    const uint64_t at = read_word<uint64_t>(table_ + i) + file_.distance() - region.physical;
    write_word<uint64_t>(region.mapped + at, read_word<uint64_t>(table_ + i + 16) + file_.distance());
  }
}

inline load_error elf64_relocations::find_table() noexcept {
  constexpr uint32_t dynamic = 2;
  bool found = false;
  for (uint32_t i = 0; i < file_.segment_count(); ++i) {
    const elf64_segment s = file_.segment(i);
    if (s.type != dynamic) continue;
    const unsigned char* tags = file_.content(s.virtual_address, s.file_bytes);
    if (found || tags == nullptr) return load_error::bad_dynamic;
    const load_error wrong = read_tags(tags, s.file_bytes);
    if (wrong != load_error::none) return wrong;
    found = true;
  }
  if (!found) return load_error::no_dynamic;
  if (bytes_ == 0) return load_error::none;
  table_ = file_.content(address_, bytes_);
  const bool whole = entry_bytes_ == relocation_bytes && bytes_ % relocation_bytes == 0 && table_ != nullptr;
  return whole ? load_error::none : load_error::bad_dynamic;
}

inline load_error elf64_relocations::read_tags(const unsigned char* at, uint64_t bytes) noexcept {
  for (; bytes >= tag_bytes; at += tag_bytes, bytes -= tag_bytes) {
    const auto tag = read_word<uint64_t>(at);
    if (tag == 0) break;
    const load_error wrong = read_tag(tag, read_word<uint64_t>(at + 8));
    if (wrong != load_error::none) return wrong;
  }
  return load_error::none;
}

// What isn't named here (symbols, strings, hashes, flags, constructors) is no loader's concern.
inline load_error elf64_relocations::read_tag(uint64_t tag, uint64_t value) noexcept {
  switch (tag) {
    case 1:  // DT_NEEDED
      return load_error::needs_library;
    case 7:  // DT_RELA
      address_ = value;
      break;
    case 8:  // DT_RELASZ
      bytes_ = value;
      break;
    case 9:  // DT_RELAENT
      entry_bytes_ = value;
      break;
    case 2:           // DT_PLTRELSZ
    case 18:          // DT_RELSZ
    case 35:          // DT_RELRSZ
    case 0x60000010:  // DT_ANDROID_RELSZ
    case 0x60000012:  // DT_ANDROID_RELASZ
    case 0x6fffe001:  // DT_ANDROID_RELRSZ
      return value == 0 ? load_error::none : load_error::other_relocations;
    default:
      break;
  }
  return load_error::none;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
