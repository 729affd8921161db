// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bytes of a function, for what an instruction does that no program can see.

#include <cstring>
#include <initializer_list>
#include <vector>

class machine_code {
 public:
  static constexpr size_t absent = ~size_t{0};

  /// Up to the first `ret`, which none of the instructions looked for contains; at most 64 bytes.
  explicit machine_code(void (*function)()) : machine_code(reinterpret_cast<const unsigned char*>(function)) {}
  explicit machine_code(const unsigned char* first) {
    for (; bytes_.size() < 64 && *first != 0xc3; ++first) bytes_.push_back(*first);
  }
  /// Where these bytes begin.
  [[nodiscard]] size_t find(std::initializer_list<unsigned char> what) const {
    for (size_t at = 0; at + what.size() <= bytes_.size(); ++at)
      if (std::memcmp(&bytes_[at], what.begin(), what.size()) == 0) return at;
    return absent;
  }
  [[nodiscard]] bool has(std::initializer_list<unsigned char> what) const { return find(what) != absent; }

 private:
  std::vector<unsigned char> bytes_;
};
