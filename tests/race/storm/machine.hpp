// SPDX-License-Identifier: BSL-1.0
#pragma once
// One trial, inside its own process: eight threads as CPUs, this one as the hardware.

#include "design.hpp"

namespace storm {

/// Does not return: the process ends with one of trial_end.
[[noreturn]] void run_machine(design, scenario, const script&, uint64_t seed) noexcept;

}  // namespace storm
