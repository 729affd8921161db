// SPDX-License-Identifier: BSL-1.0
#pragma once
// The file that a capture program's argument --crash-notes=PATH names: a header, then one record for each CPU, the
// crashing one first. The dying process writes it; the capture program must be of the same build.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/registers.hpp>

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

namespace lastcpu {

/// What the file begins with.
struct crash_note_header {
  char magic[8];          ///< "LASTCPU", with its zero
  uint32_t version;       ///< 1
  uint32_t record_bytes;  ///< sizeof(crash_note_record)
};

/// One CPU. The texts end with a zero; empty ones were never said.
struct crash_note_record {
  uint32_t cpu;               ///< no_cpu: a thread that had no number
  stop_state state;           ///< what became of it
  uint32_t crashing;          ///< 1: it owned the gate
  uint32_t registers_valid;   ///< 0: the registers are zero
  uint32_t cut_short;         ///< 1: a text was still being written
  posix_registers registers;  ///< of the crash, or where it was stopped
  char message[128];          ///< of its panic in thread or irq context
  char nmi_message[128];      ///< of its panic in NMI context
  char nested_message[128];   ///< of a panic inside its panic
};

/// The header of this version.
inline constexpr crash_note_header crash_notes_header = {
    {'L', 'A', 'S', 'T', 'C', 'P', 'U', '\0'}, 1, sizeof(crash_note_record)};

namespace posix_detail {

template <uint32_t N>
void copy_text(char (&to)[N], const char* from) noexcept {
  uint32_t i = 0;
  for (; i + 1 < N && from[i] != '\0'; ++i) to[i] = from[i];
  to[i] = '\0';
}

inline bool write_whole(int fd, const void* data, size_t bytes) noexcept {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = write(fd, at, bytes);
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

inline void write_note(int fd, const cpu_note<posix_registers>& note) noexcept {
  crash_note_record r{};
  r.cpu = note.cpu;
  r.state = note.state;
  r.crashing = note.crashing ? 1 : 0;
  r.cut_short = note.cut_short ? 1 : 0;
  if (note.registers != nullptr) {
    r.registers_valid = 1;
    r.registers = *note.registers;
  }
  copy_text(r.message, note.message);
  copy_text(r.nmi_message, note.nmi_message);
  copy_text(r.nested_message, note.nested_message);
  const off_t at = lseek(fd, 0, SEEK_CUR);
  if (write_whole(fd, &r, sizeof r)) return;
  // The limit on the size of files holds for memory, too. This process needs it no more.
  rlimit files{};
  if (at < 0 || getrlimit(RLIMIT_FSIZE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_FSIZE, &files) == 0 && lseek(fd, at, SEEK_SET) == at) (void)write_whole(fd, &r, sizeof r);
}

}  // namespace posix_detail

/// For a capture program: reads the next record from `fd`; with `first` the header before it, too. False at the end, or
/// when the file is no such file.
[[nodiscard]] inline bool read_crash_note(int fd, bool first, crash_note_record& out) noexcept {
  if (first) {
    crash_note_header h{};
    if (lseek(fd, 0, SEEK_SET) != 0 || read(fd, &h, sizeof h) != static_cast<ssize_t>(sizeof h)) return false;
    if (memcmp(&h, &crash_notes_header, sizeof h) != 0) return false;
  }
  return read(fd, &out, sizeof out) == static_cast<ssize_t>(sizeof out);
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
