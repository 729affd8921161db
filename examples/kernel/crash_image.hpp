// SPDX-License-Identifier: BSL-1.0
#pragma once
// The crash kernel, from the boot loader's module into the reserved region and into the machine's image slot.

#include "boot_info.hpp"

namespace crash_image {

/// Remembers where the file is and where memory is. Boot CPU, once the command line is there.
void set_up(const boot_info& info) noexcept;
[[nodiscard]] const boot_file& get_file() noexcept;

/// Loads it, or says on the console why not. With one in the slot: takes that out first, so that a crash in between
/// finds none. Thread context, one CPU at a time.
void load() noexcept;

}  // namespace crash_image
