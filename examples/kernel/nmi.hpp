// SPDX-License-Identifier: BSL-1.0
#pragma once
// The NMI: lastcpu first, then the kernel's own reasons, then nobody's.

#include <lastcpu/platform/x86_64/registers.hpp>

namespace nmi {

/// Puts the gate in place. Boot CPU, before any table is loaded.
void set_up() noexcept;

/// Asked for each NMI that is not a stop; true: it was mine. One; in quiet times.
using handler = bool (*)(const lastcpu::x86::registers&) noexcept;
void set_handler(handler h) noexcept;

/// An NMI that nobody knows is a panic, or is ignored, which is the default.
void panic_on_unknown(bool yes) noexcept;

}  // namespace nmi
