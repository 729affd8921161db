// SPDX-License-Identifier: BSL-1.0
#pragma once
// The name of the function at an address, from the symbol table of the file that is mapped there. Mangled, as the table
// has it: c++filt reads reports, too. No allocation; files are read in pieces.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/reporter/memory_map.hpp>

#include <elf.h>
#include <sys/stat.h>

namespace lastcpu::reporter_detail {

class symbol_finder {
 public:
  /// Puts " name" for the function at `address`; nothing where it has none, or where the file is another one by now.
  void put(text& out, const memory_map& map, const mapping& m, uintptr_t address) noexcept {
    if (!m.is_file || m.name[0] != '/' || scanned_ > most_scanned) return;
    fd_ = open_for_reading(m.name);
    struct stat st {};
    Elf64_Ehdr e;
    if (fd_ >= 0 && fstat(static_cast<int>(fd_), &st) == 0 && st.st_ino == m.inode && read(0, &e, sizeof e) &&
        e.e_shentsize == sizeof(Elf64_Shdr)) {
      const uintptr_t value = address - (e.e_type == ET_EXEC ? 0 : map.base_of(m));
      (void)(find_in(SHT_SYMTAB, e, value, out) || find_in(SHT_DYNSYM, e, value, out));
    }
    close_fd(fd_);
  }

 private:
  static constexpr uint64_t most_scanned = 256 << 20;  // bytes of tables, for the whole report

  [[nodiscard]] bool read(uint64_t at, void* to, uint64_t bytes) noexcept {
    return kernel_call(SYS_pread64, fd_, to, bytes, at) == static_cast<long>(bytes);
  }

  bool find_in(uint32_t kind, const Elf64_Ehdr& e, uintptr_t value, text& out) noexcept {
    for (uint32_t i = 0; i < e.e_shnum; ++i) {
      Elf64_Shdr table, strings;
      if (!read(e.e_shoff + i * sizeof table, &table, sizeof table)) return false;
      if (table.sh_type != kind || table.sh_link >= e.e_shnum) continue;
      if (!read(e.e_shoff + table.sh_link * sizeof strings, &strings, sizeof strings)) return false;
      return put_symbol(table, strings, value, out);
    }
    return false;
  }

  bool put_symbol(const Elf64_Shdr& table, const Elf64_Shdr& strings, uintptr_t value, text& out) noexcept {
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

  bool put_name(uint64_t at, text& out) noexcept {
    char name[128];
    const long n = kernel_call(SYS_pread64, fd_, name, sizeof name - 1, at);
    if (n <= 0) return false;
    name[n] = '\0';
    out.put(' ').foreign(name, sizeof name);
    return true;
  }

  long fd_ = -1;
  uint64_t scanned_ = 0;
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
