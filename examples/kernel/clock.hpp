// SPDX-License-Identifier: BSL-1.0
#pragma once
// How fast the TSC runs.

#include <stdint.h>

namespace clock {

/// From CPUID, or measured against the ACPI timer, or assumed, which is said on the console. Boot CPU, once.
void set_up(uint16_t pm_timer_port) noexcept;

[[nodiscard]] uint64_t ticks_per_second() noexcept;

/// Returns after so many microseconds, at the earliest.
void wait_us(uint64_t microseconds) noexcept;

}  // namespace clock
