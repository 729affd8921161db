// SPDX-License-Identifier: BSL-1.0
#pragma once
// The address space: the first 4 GiB of physical memory at `direct_map_base`, writable and, but for the crash kernel's
// region, not executable; and the kernel in the top 2 GiB, where nothing can be both written to and run, and a page
// that is not there ends every stack. A null pointer faults.

#include <lastcpu/kexec/crash_region.hpp>

#include <stddef.h>
#include <stdint.h>

namespace memory {

inline constexpr uint64_t direct_map_base = 0xffff'8000'0000'0000;
inline constexpr uint64_t direct_map_bytes = uint64_t{4} << 30;
inline constexpr uint64_t kernel_base = 0xffff'ffff'8000'0000;
inline constexpr uint64_t kernel_physical = uint64_t{2} << 20;
inline constexpr uint64_t large_page = uint64_t{2} << 20;

template <class T = unsigned char>
[[nodiscard]] inline T* at_physical(uint64_t address) noexcept {
  return reinterpret_cast<T*>(direct_map_base + address);
}

/// Of an object of the kernel: code, data or bss.
[[nodiscard]] inline uint64_t physical(const void* kernel_object) noexcept {
  return reinterpret_cast<uint64_t>(kernel_object) - kernel_base;
}

/// Memory that nobody but the crash loader touches; of 0 bytes until it is set. This kernel has no page allocator; one that
/// has takes these pages out of it before it gives out the first.
[[nodiscard]] lastcpu::kexec::crash_region crash_region() noexcept;

/// Both are multiples of large_page; it is mapped executable. Boot CPU, before the others start.
void set_crash_region(uint64_t physical, uint64_t bytes) noexcept;

/// Maps the kernel page by page: code to run, constants to read, all else to write. Boot CPU, first of all.
void set_up() noexcept;

/// No access to this page of the kernel any more, on any CPU that starts later.
void make_guard(const void* page) noexcept;

/// The page that ends the stack on which the boot CPU stays.
[[nodiscard]] bool is_boot_stack_guard(uint64_t address) noexcept;

}  // namespace memory
