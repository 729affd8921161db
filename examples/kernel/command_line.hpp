// SPDX-License-Identifier: BSL-1.0
#pragma once
// "name=value name=value ...", as the boot loader hands it over.

#include <stdint.h>

#include "text.hpp"

namespace command_line {

/// Keeps a copy; what is too long is cut.
void set(const char* text) noexcept;

/// Into `out` goes the value of `name`, or `otherwise`.
void value(const char* name, const char* otherwise, text& out) noexcept;
[[nodiscard]] uint64_t number(const char* name, uint64_t otherwise) noexcept;
[[nodiscard]] bool is(const char* name, const char* wanted) noexcept;

}  // namespace command_line
