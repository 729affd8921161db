// SPDX-License-Identifier: BSL-1.0
#pragma once
// How fast the TSC runs.

#include <stdint.h>

namespace clock {

/// From CPUID, or measured against the ACPI timer, or assumed, which is said on the console. Boot CPU, once.
void set_up(uint16_t pm_timer_port) noexcept;

[[nodiscard]] uint64_t ticks_per_second() noexcept;

/// A second has `times` times fewer ticks from here on, but for wait_us(): deadlines come that much sooner. For a test that
/// knows that they will pass.
void hurry(uint32_t times) noexcept;

/// Returns after so many microseconds, at the earliest.
void wait_us(uint64_t microseconds) noexcept;

}  // namespace clock
