// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu x86_64: lapic_page\(\) is missing or wrong
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

struct port : lastcpu::x86_64<port> {
  static constexpr lastcpu::cpu_id max_cpus = 8;
  static constexpr uint8_t stop_vector = 0xf0;
  static lastcpu::cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept { return cpu; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
};
lastcpu::crash_domain<port> machine;

void crash() {
  machine.panic("crash");
}
