// SPDX-License-Identifier: BSL-1.0
#pragma once
// A line on the console of a program that Linux runs.

#include "../kernel/text.hpp"
#include "linux_calls.hpp"

/// Written when it goes out of scope.
class line : public text {
 public:
  line() noexcept = default;
  line(const line&) = delete;
  line& operator=(const line&) = delete;
  ~line() {
    *this << "\n";
    uint64_t n = 0;
    while (c_str()[n] != '\0') ++n;
    (void)calls::make(calls::number::write, 1, c_str(), n);
  }
};
