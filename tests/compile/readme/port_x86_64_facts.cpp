// SPDX-License-Identifier: BSL-1.0
// What a kernel on x86-64 says of itself for a dump. This program's own image stands for a kernel's.
#include <lastcpu/platform/x86_64/crash_loader.hpp>

struct range {
  uint64_t physical, bytes;
};
struct map_of_two {
  range all[2];
  [[nodiscard]] const range* begin() const noexcept { return all; }
  [[nodiscard]] const range* end() const noexcept { return all + 2; }
};
static map_of_two memory_map() noexcept {
  return {{{0, 0x9'fc00}, {0x10'0000, 0x7f0'0000}}};
}
static uint64_t rsdp_address() noexcept {
  return 0xf'0000;
}
static uint64_t run_time_slide() noexcept {
  return 0;
}
static uint64_t physical_address_of(const void* address) noexcept {
  return reinterpret_cast<uintptr_t>(address) & 0xfff;
}

#include "port_x86_64_facts.inc"

asm("kernel_begin: build_id_begin: .long 4, 8, 3, 0x554e47, 1, 2\n build_id_end: kernel_end:");

int main() {
  lastcpu::x86::load_options options;
  say_what_a_dump_shall_know(options);
  const auto wrong = lastcpu::kexec::check_facts(*options.kernel, {uint64_t{64} << 20, 1 << 20}, options.map_bytes);
  return wrong == lastcpu::kexec::load_error::none && facts.build_id_bytes == 8 ? 0 : 1;
}
