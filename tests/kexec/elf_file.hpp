// SPDX-License-Identifier: BSL-1.0
#pragma once
// ELF files to be loaded or refused, put together byte by byte.

#include <stddef.h>
#include <stdint.h>

#include <cstring>
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

}  // namespace lastcpu::test
