// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <lastcpu/platform/x86_64/crash_record.hpp>
#include <lastcpu/platform/x86_64/load_error.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

enum class paging : uint8_t {
  as_this_cpu,  // what CR4.LA57 says; a kernel's choice
  four_levels,
  five_levels,
};

struct load_options {
  uint64_t map_bytes = uint64_t{4} << 30;  // physical memory from 0 on that the crash kernel finds mapped
  uint32_t cpu_capacity = 0;               // CPUs that the handover has room for
  uint64_t kernel_data = 0;                // handed over; its meaning is the kernel's
  uint64_t ticks_per_second = 0;           // of the TSC, handed over
  bool flat = false;                       // the file is no ELF: its first byte is the entry
  paging levels = paging::as_this_cpu;
};

template <class Digest = xxh64>
[[nodiscard]] inline load_error load_crash_kernel(const crash_region& region, const unsigned char* file, uint64_t bytes,
                                                  const load_options& options, crash_image_record& out) noexcept {
  (void)region, (void)file, (void)bytes, (void)options, (void)out;
  return load_error::empty_file;
}

}  // namespace lastcpu::x86
