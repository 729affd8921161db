// SPDX-License-Identifier: BSL-1.0
#pragma once
// What code did to a machine, one line each ("out8 cf9 6": hexadecimal), to be compared with what it should have done.

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

using lines = std::vector<std::string>;

class access_log {
 public:
  template <class... Numbers>
  void add(const char* what, Numbers... numbers) {
    std::ostringstream out;
    out << what << std::hex;
    ((out << ' ' << static_cast<uint64_t>(numbers)), ...);
    lines_.push_back(out.str());
  }
  [[nodiscard]] lines take() {
    lines out;
    out.swap(lines_);
    return out;
  }

 private:
  lines lines_;
};
