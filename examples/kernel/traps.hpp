// SPDX-License-Identifier: BSL-1.0
#pragma once
// Exceptions and interrupts. Every exception in the kernel is an oops: the crash kernel is started for it, and without
// one the kernel panics.

namespace traps {

/// Fills the IDT, all of it but the NMI. Boot CPU, before any table is loaded.
void set_up() noexcept;

}  // namespace traps
