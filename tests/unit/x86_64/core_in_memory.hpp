// SPDX-License-Identifier: BSL-1.0
#pragma once
// A core as a dying kernel leaves it in memory: ELF header, notes with the words of how far it is, and the memory that it
// leads to.

#include <cstdint>
#include <cstring>
#include <vector>

#include "crash_kernel/core_plan.hpp"
#include "crash_kernel/core_writer.hpp"

namespace dump_test {

struct segment {
  uint32_t type;
  uint64_t offset, physical, bytes;
};

/// Memory is one vector, whose first byte has the physical address `base`.
class core_in_memory {
 public:
  static constexpr uint64_t header_bytes = 8192;
  static constexpr uint64_t notes_at = 1028;
  static constexpr uint64_t words_at = 1528;  // across a border of sectors, as it may be

  core_in_memory() : header_(header_bytes + 4096) {
    note_end_ = notes_at + 600;
    add({4, notes_at, 0, 600});
  }

  void add_memory(uint64_t physical, uint64_t bytes) {
    add({1, file_end_, physical, bytes});
    file_end_ += bytes;
    if (memory_.size() < physical + bytes) memory_.resize(physical + bytes);
    for (uint64_t i = physical; i < physical + bytes; ++i)
      memory_[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  }
  void add(const segment& s) {
    segments_.push_back(s);
    unsigned char* const h = header();
    std::memcpy(h,
                "\x7f"
                "ELF\2\1\1",
                7);
    put(16, uint16_t{4});
    put(32, uint64_t{64});
    put(54, uint16_t{56});
    put(56, static_cast<uint16_t>(segments_.size()));
    const uint64_t at = 64 + (segments_.size() - 1) * 56;
    put(at, s.type);
    put(at + 8, s.offset);
    put(at + 24, s.physical);
    put(at + 32, s.bytes);
  }

  template <class T>
  void put(uint64_t at, T v) {
    std::memcpy(header() + at, &v, sizeof v);
  }
  template <class T>
  [[nodiscard]] T get(uint64_t at) {
    T v;
    std::memcpy(&v, header() + at, sizeof v);
    return v;
  }

  unsigned char* header() { return header_.data() + (4096 - reinterpret_cast<uintptr_t>(header_.data()) % 4096); }
  core_words words() {
    unsigned char* at = header() + words_at;
    return {reinterpret_cast<uint64_t*>(at), reinterpret_cast<lastcpu::kexec::core_state*>(at + 8),
            reinterpret_cast<uint32_t*>(at + 12)};
  }
  std::vector<unsigned char>& memory() { return memory_; }
  [[nodiscard]] uint64_t file_bytes() const { return file_end_; }
  [[nodiscard]] uint64_t note_end() const { return note_end_; }

 private:
  std::vector<unsigned char> header_;
  std::vector<unsigned char> memory_;
  std::vector<segment> segments_;
  uint64_t file_end_ = header_bytes;
  uint64_t note_end_ = 0;
};

}  // namespace dump_test
