// SPDX-License-Identifier: BSL-1.0
#pragma once
// The mappings of the process, from /proc/self/smaps, and which of them belong into a core.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/proc.hpp>

#include <stdint.h>
#include <sys/mman.h>

namespace lastcpu::reporter_detail {

struct mapping {
  uintptr_t start, end;
  uint64_t offset;     // in the file
  const char* name;    // of the file, or [stack]; "" for none
  uint64_t anonymous;  // bytes that this process has written to
  bool read, write, execute, shared;
  bool left_out;  // device memory, or MADV_DONTDUMP
  bool is_file;
  uint64_t inode;
  uint64_t core_skip;    // what of its beginning does not go into the core
  uint64_t core_bytes;   // how much goes
  uint64_t core_offset;  // and where

  [[nodiscard]] uint64_t bytes() const noexcept { return end - start; }
};

/// All mappings, in memory of their own, sorted by address.
struct memory_map {
  mapping* at = nullptr;
  uint32_t count = 0;
  uint32_t capacity = 0;
  bool incomplete = false;  // some did not fit: other threads were still at work
  bool in_detail = false;   // what each mapping is for, and what of it the program keeps out of cores, is known
  size_t room_bytes = 0;    // of the table and the names, where read_map() has mapped them

  memory_map() noexcept = default;
  ~memory_map() { release(); }  // the process that is captured may go on: the memory is its own
  memory_map(const memory_map&) = delete;
  memory_map& operator=(const memory_map&) = delete;

  void release() noexcept {
    if (room_bytes != 0) kernel_call(SYS_munmap, at, room_bytes);
    room_bytes = 0;
  }

  [[nodiscard]] const mapping* find(uintptr_t address) const noexcept {
    uint32_t low = 0, high = count;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (address >= at[middle].end)
        low = middle + 1;
      else if (address < at[middle].start)
        high = middle;
      else
        return &at[middle];
    }
    return nullptr;
  }
  /// Where the file of this mapping begins in memory.
  [[nodiscard]] uintptr_t base_of(const mapping& m) const noexcept {
    const mapping* first = &m;
    while (first != at && same_text(first[-1].name, m.name)) --first;
    return first->start - first->offset;
  }
};

/// "start-end rwxp offset device inode name" into `m`; false for a line of another kind. The name is where it stands.
[[nodiscard]] inline bool parse_mapping(const char* line, mapping& m) noexcept {
  const char* at = line;
  m = mapping{};
  m.start = read_number(at, 16);
  if (at == line || *at != '-') return false;
  m.end = read_number(++at, 16);
  if (*at != ' ') return false;
  for (int i = 1; i <= 4; ++i)
    if (at[i] == '\0') return false;
  m.read = at[1] == 'r', m.write = at[2] == 'w', m.execute = at[3] == 'x', m.shared = at[4] == 's';
  at += 5;
  while (*at == ' ') ++at;
  m.offset = read_number(at, 16);
  while (*at == ' ') ++at;
  while (*at != ' ' && *at != '\0') ++at;  // the device
  while (*at == ' ') ++at;
  m.inode = read_number(at, 10);
  m.is_file = m.inode != 0;
  while (*at == ' ') ++at;
  m.name = at;
  return true;
}

/// One of the lines behind a mapping in smaps.
inline void parse_detail(const char* line, mapping& m) noexcept {
  const auto begins = [line](const char* word) noexcept {
    const char* at = line;
    while (*word != '\0')
      if (*at++ != *word++) return false;
    return true;
  };
  if (begins("Anonymous:")) {
    const char* at = line + 10;
    while (*at == ' ') ++at;
    m.anonymous = read_number(at, 10) * 1024;
  } else if (begins("VmFlags:")) {
    for (const char* at = line + 8; at[0] != '\0' && at[1] != '\0'; ++at) {
      if (at[0] != ' ' || at[1] == ' ') continue;
      const auto is = [at](char a, char b) noexcept {
        return at[1] == a && at[2] == b && (at[3] == ' ' || at[3] == 0);
      };
      if (is('d', 'd') || is('i', 'o') || is('p', 'f')) m.left_out = true;
    }
  }
}

/// Room for this many mappings and bytes of names; none of it is touched before it is needed.
struct map_need {
  uint32_t mappings = 8192;
  size_t name_bytes = 1 << 20;
};

/// How much is needed, for a process that has more.
[[nodiscard]] inline map_need measure_map() noexcept {
  map_need need{64, 16 * 1024};  // more than there are now: other threads may still be at work
  line_reader maps("/proc/self/maps");
  mapping m;
  for (const char* line; maps.is_open() && (line = maps.next()) != nullptr;)
    if (parse_mapping(line, m)) ++need.mappings, need.name_bytes += length_of(m.name) + 1;
  return need;
}

/// Reads lines into the map until it is full. False where /proc has no such file.
[[nodiscard]] inline bool fill_map(memory_map& map, const char* file, char* names, const char* names_end) noexcept {
  line_reader lines(file);
  map.count = 0;
  map.incomplete = false;
  for (const char* line; lines.is_open() && (line = lines.next()) != nullptr;) {
    mapping m;
    if (!parse_mapping(line, m)) {
      if (map.count != 0) parse_detail(line, map.at[map.count - 1]);
      continue;
    }
    const size_t n = length_of(m.name) + 1;
    map.incomplete = map.count == map.capacity || static_cast<size_t>(names_end - names) < n;
    if (map.incomplete) break;
    copy_bytes(names, m.name, n);
    m.name = names;
    names += n;
    map.at[map.count++] = m;
  }
  return map.count != 0;
}

/// Reads the map, in detail where a core is wanted: that takes longer, and not every kernel tells it (smaps). False, and an
/// error number, where it can't.
[[nodiscard]] inline bool read_map(memory_map& map, bool in_detail, int& error) noexcept {
  map_need room;
  for (int attempt = 0; attempt < 2; ++attempt, room = measure_map()) {
    const size_t table = room.mappings * sizeof(mapping);
    const long p = kernel_call(SYS_mmap, 0, table + room.name_bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    error = static_cast<int>(-p);
    if (p <= 0) continue;
    map.release();
    map.room_bytes = table + room.name_bytes;
    map.at = reinterpret_cast<mapping*>(p);
    map.capacity = room.mappings;
    char* const names = reinterpret_cast<char*>(p) + table;
    const char* const end = names + room.name_bytes;
    error = ENOENT;
    map.in_detail = in_detail && fill_map(map, "/proc/self/smaps", names, end);
    if (!map.in_detail && !fill_map(map, "/proc/self/maps", names, end)) return false;
    if (!map.incomplete) break;
  }
  return map.count != 0;
}

[[nodiscard]] inline bool ends_with(const char* t, const char* end) noexcept {
  const size_t n = length_of(t), m = length_of(end);
  return n >= m && same_text(t + n - m, end);
}

/// How much of a mapping belongs into a core: what the process has written to, private read-only pages that the dynamic
/// linker has relocated included (a debugger finds the libraries by them), and of each other file its first page, which
/// has the build id.
[[nodiscard]] inline uint64_t bytes_for_core(const mapping& m, bool shared_memory) noexcept {
  if (m.left_out || !m.read || m.start >= uintptr_t{1} << 63) return 0;
  if (same_text(m.name, "[vvar]") || same_text(m.name, "[vvar_vclock]")) return 0;
  if (m.shared) return shared_memory && ends_with(m.name, " (deleted)") ? m.bytes() : 0;  // anonymous, that is
  if (!m.is_file) return m.bytes();
  if (m.write || m.anonymous != 0) return m.bytes();
  return m.offset == 0 ? page_bytes() : 0;
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
