// SPDX-License-Identifier: BSL-1.0
#pragma once
// The dead kernel's trace rings, merged by time and printed.

#include <lastcpu/kexec/handover.hpp>

#include "../kernel/kernel_data.hpp"

/// One line for each record, oldest first. The memory may have anything in it.
void print_timeline(const lastcpu::kexec::handover& handover, const kernel_data& data) noexcept;
