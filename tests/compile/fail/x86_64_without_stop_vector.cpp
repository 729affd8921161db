// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu x86_64: stop_vector must be a constant of 32 to 255
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

struct port : lastcpu::x86_64<port> {
  static constexpr lastcpu::cpu_id max_cpus = 8;
  static lastcpu::cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept { return cpu; }
  static volatile void* lapic_page() noexcept;
  static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
};
lastcpu::crash_domain<port> machine;

void crash() {
  machine.panic("crash");
}
