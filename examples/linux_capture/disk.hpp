// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where the core goes: an NVMe disk with nothing on it but an older core.

#include <stdint.h>

#include "../kernel/text.hpp"

struct disk {
  static constexpr uint64_t block = 4096;  // what is written is a multiple of that, and so is where from and where to
  int64_t file;
  uint64_t bytes;
  text name;
};

/// The first one that may be written to, or the one of capture_disk=. Waits for capture_wait= seconds (words.hpp); then it
/// fails (ending.hpp).
void find_disk(disk& out) noexcept;
