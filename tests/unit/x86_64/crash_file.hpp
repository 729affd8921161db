// SPDX-License-Identifier: BSL-1.0
#pragma once
// Crash kernels to load into the reserved memory.

#include "unit/kexec/elf_file.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace lastcpu::test {

constexpr uint64_t base = reserved_memory::physical;

inline bytes counting(size_t n, unsigned char from) {
  bytes v(n);
  for (unsigned char& b : v) b = from++;
  return v;
}

// Code, a gap, data with a zero-filled tail; in the file the data comes first.
inline bytes good_elf() {
  return make_elf(base + 0x2010, {{base + 0x5008, counting(0x300, 1), 0x1000, 6, 1, 8},
                                  {base + 0x2000, counting(0x123, 7), 0x123, 5, 1, 4096}});
}

// Linked at 0, with the table in its second page.
inline bytes pie(const elf_dynamic& d) {
  return make_pie(0x10, {{0, counting(0x123, 7), 0x123, 5, 1, 4096}}, 0x1000, d);
}

}  // namespace lastcpu::test
