// SPDX-License-Identifier: BSL-1.0
#pragma once
// What may come at any instruction of the crash kernel: a fault is named on the console, ends the dump with what is there,
// and restarts the machine; an NMI is counted. Each on a stack of its own.

#include <stdint.h>

namespace faults {

/// Descriptor tables of this kernel's own in place of the jump's. First of all.
void set_up() noexcept;

/// Since set_up(). Any context.
[[nodiscard]] uint32_t nmis() noexcept;

}  // namespace faults
