// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the CPUs do when there is nothing to do, and how they are given something.

namespace work {

/// Sleeps; runs what on_every_cpu() asks for. Interrupts are on from here on.
[[noreturn]] void idle() noexcept;

/// Wakes the others, and then every CPU that is idle, or comes here later, calls `job`. Once.
void on_every_cpu(void (*job)() noexcept) noexcept;

}  // namespace work
