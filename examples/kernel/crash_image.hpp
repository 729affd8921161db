// SPDX-License-Identifier: BSL-1.0
#pragma once
// The crash kernel, from the boot loader's module into the reserved region and into the machine's image slot.

#include "start_info.hpp"

namespace crash_image {

/// Remembers where the file is. Boot CPU, once the command line is there.
void set_file(const start_module& module) noexcept;
[[nodiscard]] const start_module& get_file() noexcept;

/// Loads it, or says on the console why not. With one in the slot: takes that out first, so that a crash in between
/// finds none. Thread context, one CPU at a time.
void load() noexcept;

}  // namespace crash_image
