// SPDX-License-Identifier: BSL-1.0
#pragma once
// What Linux was told on its command line, and did not know: it is in the environment of init.
//
//   capture_disk=/dev/nvme1n1   this disk, if it is empty
//   capture_wait=10             seconds for the disk to appear
//   capture_stall=60            seconds for any one step
//   capture_limit=1800          seconds for all

#include <stdint.h>

namespace words {

void set(char** environment) noexcept;

/// Behind "name=", or null.
[[nodiscard]] const char* find(const char* name) noexcept;

/// Of a number of seconds; what is no number is said, and is `otherwise`.
[[nodiscard]] uint64_t milliseconds(const char* name, uint64_t otherwise) noexcept;

}  // namespace words
