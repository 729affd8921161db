// SPDX-License-Identifier: BSL-1.0
#pragma once
// The memory that the crash kernel lives in. Plain data; any context.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

inline constexpr uint64_t page_bytes = 4096;

/// Memory reserved at boot: nothing else may ever use it, and it must be RAM.
/// `mapped` is where every address space of the kernel has it, writable, executable and cached; often in the direct
/// map, and usually not at the physical address. Both are page-aligned.
/// Not in encrypted memory (SME, SEV, TDX): the page tables know of no encryption bit.
struct crash_region {
  uint64_t physical;
  unsigned char* mapped;
  uint64_t bytes;
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
