// SPDX-License-Identifier: BSL-1.0
#pragma once
// The name of the function at an address, from the symbol table of the file that is mapped there. Mangled, as the table
// has it: c++filt reads reports, too. No allocation; files are read in pieces.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/memory_map.hpp>

#include <elf.h>
#include <sys/stat.h>

namespace lastcpu::reporter_detail {

class symbol_finder {
 public:
  ~symbol_finder() { close_fd(fd_); }

  /// Puts " name" for the function at `address`; nothing where it has none, or where the file is another one by now.
  void put(text& out, const memory_map& map, const mapping& m, uintptr_t address) noexcept {
    if (!m.is_file || m.name[0] != '/') return;
    for (const answer& a : answers_)
      if (a.address == address) return put_answer(a, out);
    answer& a = answers_[next_++ % (sizeof answers_ / sizeof *answers_)];
    a.address = address;
    a.name[0] = '\0';
    if (scanned_ < most_scanned && open(m)) {
      const uintptr_t value = address - (file_.e_type == ET_EXEC ? 0 : map.base_of(m));
      (void)(find_in(SHT_SYMTAB, file_, value, a) || find_in(SHT_DYNSYM, file_, value, a));
    }
    put_answer(a, out);
  }

 private:
  static constexpr uint64_t most_scanned = 256 << 20;  // bytes of tables, for the whole report

  /// Threads of a pool crash in the same places.
  struct answer {
    uintptr_t address;
    char name[120];
  };

  static void put_answer(const answer& a, text& out) noexcept {
    if (a.name[0] != '\0') out.put(' ').foreign(a.name, sizeof a.name);
  }

  /// The file of this mapping, if it is still the one that is mapped.
  [[nodiscard]] bool open(const mapping& m) noexcept {
    if (m.inode == inode_ && same_text(m.name, name_)) return is_elf_;
    close_fd(fd_);
    fd_ = open_for_reading(m.name);
    inode_ = m.inode;
    name_ = m.name;
    struct stat st {};
    is_elf_ = fd_ >= 0 && kernel_call(SYS_fstat, fd_, &st) == 0 && st.st_ino == m.inode &&
              read(0, &file_, sizeof file_) && file_.e_shentsize == sizeof(Elf64_Shdr);
    return is_elf_;
  }

  [[nodiscard]] bool read(uint64_t at, void* to, uint64_t bytes) noexcept {
    return kernel_call(SYS_pread64, fd_, to, bytes, at) == static_cast<long>(bytes);
  }

  bool find_in(uint32_t kind, const Elf64_Ehdr& e, uintptr_t value, answer& out) noexcept {
    constexpr uint32_t at_once = 32;
    Elf64_Shdr tables[at_once], strings;
    for (uint32_t i = 0; i < e.e_shnum; i += at_once) {
      const uint32_t n = e.e_shnum - i < at_once ? e.e_shnum - i : at_once;
      if (!read(e.e_shoff + i * sizeof *tables, tables, n * sizeof *tables)) return false;
      for (uint32_t k = 0; k < n; ++k) {
        if (tables[k].sh_type != kind || tables[k].sh_link >= e.e_shnum) continue;
        return read(e.e_shoff + tables[k].sh_link * sizeof strings, &strings, sizeof strings) &&
               put_symbol(tables[k], strings, value, out);
      }
    }
    return false;
  }

  bool put_symbol(const Elf64_Shdr& table, const Elf64_Shdr& strings, uintptr_t value, answer& out) noexcept {
    constexpr uint64_t at_once = 512;
    Elf64_Sym symbols[at_once];
    const uint64_t count = table.sh_size / sizeof *symbols;
    for (uint64_t i = 0; i < count; i += at_once) {
      const uint64_t n = count - i < at_once ? count - i : at_once;
      if (!read(table.sh_offset + i * sizeof *symbols, symbols, n * sizeof *symbols)) return false;
      scanned_ += n * sizeof *symbols;
      for (uint64_t k = 0; k < n; ++k) {
        const Elf64_Sym& s = symbols[k];
        const bool function = (s.st_info & 0xf) == STT_FUNC || (s.st_info & 0xf) == STT_GNU_IFUNC;
        if (!function || s.st_shndx == SHN_UNDEF || value < s.st_value) continue;
        if (value - s.st_value < s.st_size) return put_name(strings.sh_offset + s.st_name, out);
      }
    }
    return false;
  }

  bool put_name(uint64_t at, answer& out) noexcept {
    const long n = kernel_call(SYS_pread64, fd_, out.name, sizeof out.name - 1, at);
    out.name[n > 0 ? n : 0] = '\0';
    return n > 0;
  }

  long fd_ = -1;
  uint64_t inode_ = 0;  // each file system has numbers of its own
  const char* name_ = "";
  bool is_elf_ = false;
  Elf64_Ehdr file_{};
  uint64_t scanned_ = 0;
  uint32_t next_ = 0;
  answer answers_[64] = {};
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
