// SPDX-License-Identifier: BSL-1.0
#pragma once
// The memory that the crash kernel lives in. Plain data; any context.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

/// Loading a crash kernel, what it is told, and the core that it writes: the same for every machine of 64 bits.
namespace lastcpu::kexec {

/// A page of memory, on every machine that is loaded for.
inline constexpr uint64_t page_bytes = 4096;

/// Memory reserved at boot: nothing else may ever use it, and it must be RAM.
/// `mapped` is where every address space of the kernel has it, writable, executable and cached; often in the direct
/// map, and usually not at the physical address. Both are page-aligned.
/// Not in encrypted memory (SME, SEV, TDX): the page tables know of no encryption bit.
struct crash_region {
  uint64_t physical;      ///< its address
  unsigned char* mapped;  ///< where the kernel has it
  uint64_t bytes;         ///< its size, whole pages
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
