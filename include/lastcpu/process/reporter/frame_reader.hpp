// SPDX-License-Identifier: BSL-1.0
#pragma once
// Reads the call frame information that compilers leave in .eh_frame, out of the memory of the process. Every read is
// a system call that can't fault, through a small window; what can't be read, or is of a kind that no compiler makes,
// ends the walk.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/kernel_call.hpp>

#include <elf.h>
#include <stdint.h>

namespace lastcpu::reporter_detail {

class frame_reader {
 public:
  explicit frame_reader(uintptr_t at) noexcept : at_(at) {}

  [[nodiscard]] uintptr_t at() const noexcept { return at_; }
  void go_to(uintptr_t at) noexcept { at_ = at; }
  /// Over what has a length of its own. A longer one than any compiler writes fails: it could lead back.
  void skip(uint64_t bytes) noexcept {
    constexpr uint64_t most = 64 * 1024;
    bytes < most ? void(at_ += bytes) : fail();
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  void fail() noexcept { failed_ = true; }

  template <class T>
  [[nodiscard]] T get() noexcept {
    T value{};
    if (!fill(sizeof value))
      failed_ = true;
    else
      copy_bytes(&value, window_ + (at_ - window_at_), sizeof value);
    at_ += sizeof value;
    return value;
  }
  [[nodiscard]] uint64_t uleb() noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = get<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0 || failed_) return value;
    }
    failed_ = true;
    return value;
  }
  [[nodiscard]] int64_t sleb() noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64;) {
      const auto byte = get<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if ((byte & 0x80) != 0 && !failed_) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~uint64_t{0} << shift;
      return static_cast<int64_t>(value);
    }
    failed_ = true;
    return 0;
  }
  /// A pointer in one of the encodings of .eh_frame (DW_EH_PE_*): absolute, or relative to where it stands.
  [[nodiscard]] uint64_t pointer(uint8_t encoding) noexcept {
    const uintptr_t here = at_;
    uint64_t value = 0;
    switch (encoding & 0xf) {
      case 0x0:
      case 0x4:
      case 0xc:
        value = get<uint64_t>();
        break;
      case 0x2:
        value = get<uint16_t>();
        break;
      case 0x3:
        value = get<uint32_t>();
        break;
      case 0xa:
        value = static_cast<uint64_t>(int64_t{get<int16_t>()});
        break;
      case 0xb:
        value = static_cast<uint64_t>(int64_t{get<int32_t>()});
        break;
      default:
        failed_ = true;
    }
    return (encoding & 0x70) == 0x10 ? value + here : value;
  }

 private:
  /// The window begins a little before what is asked for: a search goes to and fro.
  [[nodiscard]] bool fill(size_t bytes) noexcept {
    const uintptr_t into = at_ - window_at_;  // of an address below the window it is more than the window has
    if (into <= filled_ && bytes <= filled_ - into) return true;
    window_at_ = at_ & ~uintptr_t{127};
    filled_ = sizeof window_;
    if (read_memory(window_at_, window_, filled_)) return true;
    window_at_ = at_;
    filled_ = bytes;  // at the end of a mapping
    if (read_memory(window_at_, window_, filled_)) return true;
    filled_ = 0;
    return false;
  }

  uintptr_t at_;
  bool failed_ = false;
  uintptr_t window_at_ = 0;
  size_t filled_ = 0;
  unsigned char window_[256];
};

/// How to go from one frame to the one that called it: a row's program, and where it runs.
struct frame_description {
  uintptr_t begin = 0, end = 0;                // of the function
  uintptr_t first_program = 0, first_end = 0;  // of the CIE: what holds at the entry
  uintptr_t program = 0, program_end = 0;      // of the FDE: what changes on the way
  uint64_t code_unit = 1;
  int64_t data_unit = 1;
  uint64_t return_register = 0;
  bool signal_frame = false;
};

/// Reads the CIE at `at`; returns the encoding of pointers in its FDEs, 0xff where it is none that is known here.
[[nodiscard]] inline uint8_t read_cie(frame_reader& r, uintptr_t at, frame_description& out, bool& has_data) noexcept {
  r.go_to(at);
  const auto bytes = r.get<uint32_t>();
  out.first_end = at + 4 + bytes;
  if (bytes == 0xffff'ffff || r.get<uint32_t>() != 0) return 0xff;
  const auto version = r.get<uint8_t>();
  char letters[8] = {};
  for (char& c : letters)
    if ((c = r.get<char>()) == '\0') break;
  if (letters[7] != '\0' || (letters[0] != 'z' && letters[0] != '\0')) return 0xff;
  if (version == 4) r.skip(2);
  out.code_unit = r.uleb();
  out.data_unit = r.sleb();
  out.return_register = version == 1 ? r.get<uint8_t>() : r.uleb();
  uint8_t encoding = 0;
  has_data = letters[0] == 'z';
  const uint64_t length = has_data ? r.uleb() : 0;
  const uintptr_t data_end = r.at() + length;
  for (const char* c = letters + 1; has_data && *c != '\0'; ++c) {
    if (*c == 'R') encoding = r.get<uint8_t>();
    if (*c == 'L') r.skip(1);
    if (*c == 'P') (void)r.pointer(r.get<uint8_t>() & 0xf);
    if (*c == 'S') out.signal_frame = true;
  }
  out.first_program = data_end;
  return encoding;
}

/// Reads the FDE at `at`.
[[nodiscard]] inline bool read_fde(frame_reader& r, uintptr_t at, frame_description& out) noexcept {
  r.go_to(at);
  const auto bytes = r.get<uint32_t>();
  out.program_end = at + 4 + bytes;
  const uintptr_t cie_field = r.at();
  const auto back = r.get<uint32_t>();
  if (r.failed() || bytes == 0xffff'ffff || back == 0) return false;
  bool has_data = false;
  const uint8_t encoding = read_cie(r, cie_field - back, out, has_data);
  if (encoding == 0xff || r.failed()) return false;
  r.go_to(cie_field + 4);
  out.begin = r.pointer(encoding);
  out.end = out.begin + r.pointer(encoding & 0xf);
  if (has_data) r.skip(r.uleb());
  out.program = r.at();
  constexpr uint64_t longest = 64 * 1024;  // of a program that a compiler writes
  return !r.failed() && out.program_end - out.program < longest && out.first_end - out.first_program < longest;
}

/// Where the table of a module stands whose ELF header is mapped at `base`; 0 where it has none.
[[nodiscard]] inline uintptr_t find_frame_table(uintptr_t base) noexcept {
  constexpr uint32_t most = 32;
  Elf64_Ehdr e;
  Elf64_Phdr p[most];
  if (!read_memory(base, &e, sizeof e) || e.e_ident[EI_MAG0] != ELFMAG0 || e.e_phnum > most) return 0;
  if (!read_memory(base + e.e_phoff, p, e.e_phnum * sizeof *p)) return 0;
  for (uint32_t i = 0; i < e.e_phnum; ++i)
    if (p[i].p_type == PT_GNU_EH_FRAME) return (e.e_type == ET_EXEC ? 0 : base) + p[i].p_vaddr;
  return 0;
}

/// Looks for the FDE of `pc` in the table at `header`.
[[nodiscard]] inline bool find_frame(uintptr_t header, uintptr_t pc, frame_description& out) noexcept {
  if (header == 0) return false;
  frame_reader r(header);
  const bool usual = r.get<uint8_t>() == 1 && r.get<uint8_t>() == 0x1b && r.get<uint8_t>() == 0x03 &&
                     r.get<uint8_t>() == 0x3b;  // what every linker writes
  r.skip(4);
  uint32_t low = 0, high = r.get<uint32_t>();
  const uintptr_t table = r.at();
  if (!usual || r.failed()) return false;
  const auto place = [&](uint32_t i, uint32_t column) noexcept {
    r.go_to(table + uint64_t{i} * 8 + column * 4);
    return header + static_cast<uintptr_t>(intptr_t{r.get<int32_t>()});
  };
  while (high - low > 1 && !r.failed()) {
    const uint32_t middle = low + (high - low) / 2;
    (place(middle, 0) <= pc ? low : high) = middle;
  }
  return high != 0 && read_fde(r, place(low, 1), out) && pc >= out.begin && pc < out.end;
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
