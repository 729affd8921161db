// SPDX-License-Identifier: BSL-1.0
#pragma once
// However the copy goes, the machine restarts: here where it is done or fails, and by a second process where it is stuck.

#include <stdint.h>

namespace ending {

/// Starts the second process, which restarts by force when there is no step for capture_stall= or no end for capture_limit=
/// seconds (words.hpp).
void set_up() noexcept;

/// It goes on; `bytes` are written.
void step(uint64_t bytes) noexcept;

[[noreturn]] void restart() noexcept;

/// Says on the console why, and restarts.
[[noreturn]] void fail(const char* what, const char* more = "") noexcept;

}  // namespace ending
