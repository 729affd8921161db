// SPDX-License-Identifier: BSL-1.0
#pragma once
// The PVH boot protocol, which is what QEMU's -kernel speaks.

#include <stdint.h>

#include "boot_info.hpp"

namespace pvh {

/// From the start info at this physical address.
[[nodiscard]] boot_info read(uint64_t address) noexcept;

}  // namespace pvh
