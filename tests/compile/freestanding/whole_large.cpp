// SPDX-License-Identifier: BSL-1.0
// A port with many CPUs, all the registers of a machine, a fat image and a clock whose frequency is found out at run
// time: no copy may become a call of memcpy, no deadline one of a division.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

uint64_t hertz = 0;
uint64_t ticks = 0;

struct port : lastcpu::archetype {
  static constexpr lastcpu::cpu_id max_cpus = sizeof(uintptr_t) < 8 ? 254 : 4096;
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint64_t now() noexcept { return ticks; }
  static uint64_t ticks_per_second() noexcept { return hertz; }
  static void send_stop(const lastcpu::cpu_set<max_cpus>&, lastcpu::stop_how) noexcept {}

  struct registers {
    uintptr_t words[64];
  };
  static void capture_registers(registers& r) noexcept { r.words[0] = 1; }
  static void crash_shutdown(const registers&) noexcept {}

  struct image {
    uintptr_t words[64];
  };
  static bool image_intact(const image& i) noexcept { return i.words[0] != 0; }
  static void jump(const image&) noexcept {}
  static void save_note(const image&, const lastcpu::cpu_note<registers>&) noexcept {}
};

constinit lastcpu::crash_domain<port> machine;

template class lastcpu::crash_domain<port>;
template class lastcpu::crash_path<port>;
template class lastcpu::crash_image<port>;
template class lastcpu::panic_cpu<port>;
template class lastcpu::panic_messages<port, lastcpu::panic_policy::message_bytes>;
template class lastcpu::stop_cpus<port>;

uint32_t silent_cpus() {
  return machine.stop_others().count(lastcpu::stop_state::silent);
}
