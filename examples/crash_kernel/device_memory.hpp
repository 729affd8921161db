// SPDX-License-Identifier: BSL-1.0
#pragma once
// Registers of devices that lie above what the jump has mapped: firmware puts them there where memory is large.

#include <stdint.h>

/// Maps [address, address + bytes) at its own address, not cached, in large pages. False where the room for page tables
/// is used up, or the address is none of the lower half.
[[nodiscard]] bool map_device_memory(uint64_t address, uint64_t bytes) noexcept;
