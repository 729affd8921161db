// SPDX-License-Identifier: BSL-1.0
#pragma once
// ELF files to be loaded or refused, put together byte by byte.

#include <stddef.h>
#include <stdint.h>

#include <cstring>
#include <initializer_list>
#include <utility>
#include <vector>

namespace lastcpu::test {

using bytes = std::vector<unsigned char>;

template <class T>
void put(bytes& file, size_t at, T value) {
  if (file.size() < at + sizeof value) file.resize(at + sizeof value);
  std::memcpy(&file[at], &value, sizeof value);
}

struct elf_segment {
  uint64_t physical;
  bytes content;
  uint64_t memory_bytes;
  uint32_t flags = 5;
  uint32_t type = 1;
  uint64_t alignment = 16;
};

// Where the fields are that tests spoil.
constexpr size_t elf_type = 16;
constexpr size_t elf_machine = 18;
constexpr size_t elf_entry = 24;
constexpr size_t elf_segments = 32;
constexpr size_t elf_segment_size = 54;
constexpr size_t elf_segment_count = 56;
constexpr size_t field(size_t segment, size_t offset) {
  return 64 + segment * 56 + offset;
}
constexpr size_t segment_type = 0;
constexpr size_t segment_offset = 8;
constexpr size_t segment_virtual = 16;
constexpr size_t segment_physical = 24;
constexpr size_t segment_file_bytes = 32;
constexpr size_t segment_memory_bytes = 40;
constexpr size_t segment_alignment = 48;

inline bytes make_elf(uint64_t entry, const std::vector<elf_segment>& segments) {
  bytes file{0x7f, 'E', 'L', 'F', 2, 1, 1, 0};
  put<uint16_t>(file, elf_type, 2);
  put<uint16_t>(file, elf_machine, 62);
  put<uint32_t>(file, 20, 1);
  put<uint64_t>(file, elf_entry, entry);
  put<uint64_t>(file, elf_segments, 64);
  put<uint16_t>(file, 52, 64);
  put<uint16_t>(file, elf_segment_size, 56);
  put<uint16_t>(file, elf_segment_count, static_cast<uint16_t>(segments.size()));
  file.resize(64 + segments.size() * 56);
  for (size_t i = 0; i < segments.size(); ++i) {
    const elf_segment& s = segments[i];
    while (s.alignment != 0 && (file.size() ^ s.physical) % s.alignment != 0) file.push_back(0xee);
    put<uint32_t>(file, field(i, segment_type), s.type);
    put<uint32_t>(file, field(i, 4), s.flags);
    put<uint64_t>(file, field(i, segment_offset), file.size());
    put<uint64_t>(file, field(i, segment_virtual), s.physical);
    put<uint64_t>(file, field(i, segment_physical), s.physical);
    put<uint64_t>(file, field(i, segment_file_bytes), s.content.size());
    put<uint64_t>(file, field(i, segment_memory_bytes), s.memory_bytes);
    put<uint64_t>(file, field(i, segment_alignment), s.alignment);
    file.insert(file.end(), s.content.begin(), s.content.end());
  }
  return file;
}

struct elf_relocation {
  uint64_t at;
  uint64_t info;
  uint64_t addend;
};

/// Of a position-independent file: what stands in PT_DYNAMIC but for the end, and the table that DT_RELA names.
struct elf_dynamic {
  std::vector<elf_relocation> relocations;
  std::vector<std::pair<uint64_t, uint64_t>> more_tags = {};
};
constexpr uint64_t tag_rela = 7, tag_rela_bytes = 8, tag_rela_entry_bytes = 9;

// Tags first, and the table right behind them.
inline bytes dynamic_content(uint64_t address, const elf_dynamic& d) {
  bytes content;
  const auto put_words = [&content](std::initializer_list<uint64_t> words) {
    for (const uint64_t word : words) put<uint64_t>(content, content.size(), word);
  };
  const size_t tags = 4 + d.more_tags.size();
  put_words({tag_rela, address + tags * 16, tag_rela_bytes, d.relocations.size() * 24, tag_rela_entry_bytes, 24});
  for (const auto& [tag, value] : d.more_tags) put_words({tag, value});
  put_words({0, 0});
  for (const elf_relocation& r : d.relocations) put_words({r.at, r.info, r.addend});
  return content;
}

/// ET_DYN: the segments, then one at the virtual address `at` with the dynamic table, then the header that names it.
inline bytes make_pie(uint64_t entry, std::vector<elf_segment> segments, uint64_t at, const elf_dynamic& d) {
  const bytes content = dynamic_content(at, d);
  segments.push_back({at, content, content.size(), 6, 1, 8});
  segments.push_back({at, bytes((4 + d.more_tags.size()) * 16), 0, 6, 2, 8});
  bytes file = make_elf(entry, segments);
  put<uint16_t>(file, elf_type, 3);
  return file;
}

}  // namespace lastcpu::test
