// SPDX-License-Identifier: BSL-1.0
#pragma once
// The timeline of a crash: a ring for each CPU, which the crash kernel reads (kernel_data.hpp).

#include <lastcpu/cpu.hpp>

#include "kernel_data.hpp"

namespace trace {

/// Any context; an NMI in the middle takes the next place.
void add(const lastcpu::trace_event& event) noexcept;

/// All rings, for kernel_data.
[[nodiscard]] const trace_ring* rings() noexcept;

}  // namespace trace
