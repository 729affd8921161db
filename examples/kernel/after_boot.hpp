// SPDX-License-Identifier: BSL-1.0
#pragma once

/// What this kernel is for. The boot CPU calls it once, when all CPUs are up and idle; it returns. A kernel that is for
/// something else links a file of its own in place of after_boot.cpp.
void after_boot() noexcept;
