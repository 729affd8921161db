// SPDX-License-Identifier: BSL-1.0
#pragma once
// Writes the ELF core of the process: headers, notes, memory. What lies in memory is written from where it lies.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/core_notes.hpp>

#include <elf.h>

namespace lastcpu::reporter_detail {

/// How a core came out.
struct core_outcome {
  uint64_t bytes = 0;     // of memory that it holds
  uint64_t left_out = 0;  // bytes that the limit cut off
  int error = 0;          // of the first write that failed
};

class core_writer {
 public:
  core_writer(crash_state& s, memory_map& map) noexcept : s_(s), map_(map) {}

  [[nodiscard]] core_outcome write(const char* path, cpu_id first) noexcept {
    core_outcome how;
    if (!file_.open(path)) return how.error = file_.error(), how;
    choose(first, how);
    const uint64_t headers = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) * (map_.count + 1) + sizeof(Elf64_Shdr);
    file_.go_to(headers);
    put_notes(file_, s_, first, map_);
    const uint64_t notes_end = file_.position();
    file_.pad_to(page_);
    place(file_.position());
    put_headers(headers, notes_end - headers);
    for (uint32_t i = 0; i < map_.count; ++i) write_mapping(map_.at[i], how);
    file_.end_at(end_);
    if (file_.error() != 0) put_headers(headers, notes_end - headers);
    how.error = file_.error();
    how.bytes == 0 ? file_.drop(path) : file_.close();
    return how;
  }

 private:
  static constexpr uint64_t piece = 4 << 20;  // between two beats

  /// How much of each mapping is wanted. Where the limit is reached, stacks of threads and what modules have written
  /// come first, then what is small. The end of a mapping is kept: a stack is used from its end, and what was mapped
  /// first, the list of libraries above all, lies higher than what came later.
  void choose(cpu_id first, core_outcome& how) noexcept {
    for (uint32_t i = 0; i < map_.count; ++i)
      map_.at[i].core_bytes = bytes_for_core(map_.at[i], settings.core_has_shared_memory);
    mark_stack(s_.threads[first]);
    s_.threads.for_each([&](cpu_id, uint32_t, crash_thread& t) noexcept { mark_stack(t); });
    uint64_t room = settings.core_limit / page_ * page_;
    for (const uint32_t turn : {0u, 1u, 2u})
      for (uint32_t i = 0; i < map_.count; ++i) {
        mapping& m = map_.at[i];
        if (turn_of(m) != turn || m.core_bytes == 0) continue;
        const uint64_t cut = m.core_bytes > room ? m.core_bytes - room : 0;
        how.left_out += cut;
        m.core_skip = cut;
        m.core_bytes -= cut;
        room -= m.core_bytes;
      }
  }
  static constexpr uint64_t stack_mark = 1;
  [[nodiscard]] static uint32_t turn_of(const mapping& m) noexcept {
    if (m.core_offset == stack_mark || m.is_file) return 0;
    return m.core_bytes <= 1 << 20 ? 1 : 2;
  }
  void mark_stack(crash_thread& t) noexcept {
    if (!settle_registers(t)) return;
    if (const mapping* m = map_.find(sp_of(t.registers.general)); m != nullptr)
      map_.at[m - map_.at].core_offset = stack_mark;
  }

  void place(uint64_t at) noexcept {
    for (uint32_t i = 0; i < map_.count; ++i) {
      map_.at[i].core_offset = at;
      at += map_.at[i].core_bytes;
    }
    end_ = at;
  }

  void put_headers(uint64_t notes_at, uint64_t notes_bytes) noexcept {
    file_.go_to(0);
    Elf64_Ehdr e{};
    copy_bytes(e.e_ident, ELFMAG, SELFMAG);
    e.e_ident[EI_CLASS] = ELFCLASS64, e.e_ident[EI_DATA] = ELFDATA2LSB, e.e_ident[EI_VERSION] = EV_CURRENT;
    e.e_type = ET_CORE, e.e_machine = elf_machine, e.e_version = EV_CURRENT;
    e.e_phoff = sizeof e, e.e_ehsize = sizeof e, e.e_phentsize = sizeof(Elf64_Phdr);
    // A section header, behind the others, counts what is more than e_phnum can.
    const bool many = map_.count + 1 >= PN_XNUM;
    e.e_phnum = static_cast<Elf64_Half>(many ? PN_XNUM : map_.count + 1);
    if (many) e.e_shoff = notes_at - sizeof(Elf64_Shdr), e.e_shnum = 1, e.e_shentsize = sizeof(Elf64_Shdr);
    file_.put(&e, sizeof e);
    Elf64_Phdr notes{};
    notes.p_type = PT_NOTE, notes.p_offset = notes_at, notes.p_filesz = notes_bytes, notes.p_align = 4;
    file_.put(&notes, sizeof notes);
    for (uint32_t i = 0; i < map_.count; ++i) {
      const mapping& m = map_.at[i];
      Elf64_Phdr h{};
      h.p_type = PT_LOAD, h.p_align = page_, h.p_offset = m.core_offset;
      h.p_vaddr = m.start + m.core_skip, h.p_memsz = m.bytes() - m.core_skip, h.p_filesz = m.core_bytes;
      h.p_flags =
          (m.read ? Elf64_Word{PF_R} : 0) | (m.write ? Elf64_Word{PF_W} : 0) | (m.execute ? Elf64_Word{PF_X} : 0);
      file_.put(&h, sizeof h);
    }
    Elf64_Shdr count{};
    count.sh_info = map_.count + 1;
    file_.put(&count, sizeof count);
    file_.flush();
  }

  void write_mapping(mapping& m, core_outcome& how) noexcept {
    if (m.core_bytes == 0) return;
    if (file_.error() != 0) {
      m.core_bytes = 0;
      return;
    }
    const bool sparse = !m.is_file && !same_text(m.name, "[vdso]");  // pages never touched are zeros, as holes are
    for (uint64_t done = 0; done < m.core_bytes && file_.error() == 0;) {
      const uint64_t n = m.core_bytes - done < piece ? m.core_bytes - done : piece;
      how.bytes += sparse ? write_touched(m, done, n) : write_range(m, done, n);
      done += n;
      if (file_.error() != 0) m.core_bytes = done - n;
      s_.beat();
    }
  }

  [[nodiscard]] static void* address(const mapping& m, uint64_t at) noexcept {
    return reinterpret_cast<void*>(m.start + m.core_skip + at);
  }

  /// A page that can't be read is left a hole. The number of bytes written.
  uint64_t write_range(const mapping& m, uint64_t from, uint64_t bytes) noexcept {
    uint64_t written = 0;
    for (uint64_t done = 0; done < bytes && file_.error() == 0;) {
      const uint64_t at = from + done;
      const uint64_t n = file_.write_at(address(m, at), bytes - done, m.core_offset + at);
      written += n;
      done += n;
      if (done < bytes && file_.error() == 0) done = (done / page_ + 1) * page_;
    }
    return written;
  }

  uint64_t write_touched(const mapping& m, uint64_t from, uint64_t bytes) noexcept {
    if (pagemap_ == -1) pagemap_ = open_for_reading("/proc/self/pagemap");
    uint64_t written = 0;
    for (uint64_t done = 0; done < bytes;) {
      constexpr uint64_t pages_at_once = 256;
      uint64_t entries[pages_at_once];
      const uint64_t first = reinterpret_cast<uintptr_t>(address(m, from + done)) / page_;
      uint64_t pages = (bytes - done) / page_;
      if (pages > pages_at_once) pages = pages_at_once;
      const long want = static_cast<long>(pages * 8);
      if (kernel_call(SYS_pread64, pagemap_, entries, want, first * 8) != want)
        return written + write_range(m, from + done, bytes - done);
      for (uint64_t i = 0; i < pages;) {
        const auto touched = [&entries](uint64_t n) noexcept { return entries[n] >> 62 != 0; };  // present or swapped
        uint64_t run = 1;
        while (i + run < pages && touched(i + run) == touched(i)) ++run;
        if (touched(i)) written += write_range(m, from + done + i * page_, run * page_);
        i += run;
      }
      done += pages * page_;
    }
    return written;
  }

  crash_state& s_;
  memory_map& map_;
  const uint64_t page_ = page_bytes();
  uint64_t end_ = 0;
  long pagemap_ = -1;
  core_file file_;
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
