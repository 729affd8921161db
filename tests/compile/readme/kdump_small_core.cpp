// SPDX-License-Identifier: BSL-1.0
// What of a kernel's image goes over a slow line, and what does not. This program's own image stands for a kernel's.
#include <lastcpu/kexec/kernel_facts.hpp>

extern "C" const unsigned char kernel_begin[], kernel_end[];
static constinit lastcpu::kexec::kernel_facts facts{};
static uint64_t physical_address_of(const void* address) noexcept {
  return reinterpret_cast<uintptr_t>(address) & 0xfff;
}

#include "kdump_small_core.inc"

asm("kernel_begin: .zero 8\n data_begin: .zero 16\n kernel_end:");

int main() {
  say_what_is_written_to();
  const auto& code = facts.image[0];
  const auto& data = facts.image[1];
  const bool right = facts.image_count == 2 && code.bytes == 8 && data.bytes == 16 && (code.flags & 2) == 0;
  return right && (data.flags & 2) != 0 ? 0 : 1;
}
