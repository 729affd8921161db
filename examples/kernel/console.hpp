// SPDX-License-Identifier: BSL-1.0
#pragma once
// Whole lines on the serial port. A CPU that died with the console's lock delays a line, and no more.

#include "text.hpp"

namespace console {

/// Any context.
void write_line(const text& line) noexcept;

/// A line that is written when it goes out of scope: `console::line() << "kernel: " << n;`
class line : public text {
 public:
  line() noexcept = default;
  line(const line&) = delete;
  line& operator=(const line&) = delete;
  ~line() { write_line(*this); }
};

}  // namespace console
