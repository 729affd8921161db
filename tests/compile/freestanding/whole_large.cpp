// SPDX-License-Identifier: BSL-1.0
// A port with many CPUs, all the registers of a machine, a fat image and a clock whose frequency is found out at run
// time, and the report that is printed: no copy may become a call of memcpy, no deadline and no digit one of a division.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

uint64_t hertz = 0;
uint64_t ticks = 0;
lastcpu::cpu_id asked = 0;
char printed = 0;

void put(const char* piece) {
  printed = *piece;
}

struct port : lastcpu::platform_defaults<port> {
  static constexpr lastcpu::cpu_id max_cpus = sizeof(uintptr_t) < 8 ? 254 : 4096;
  static lastcpu::cpu_id this_cpu() noexcept { return asked; }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint64_t now() noexcept { return ticks; }
  static uint64_t ticks_per_second() noexcept { return hertz; }
  static void send_stop_to(lastcpu::cpu_id cpu, lastcpu::stop_how) noexcept { asked = cpu; }
  [[noreturn]] static void park() noexcept { lastcpu::archetype::park(); }

  struct registers : lastcpu::place_registers {  // of which the report has three
    uintptr_t words[64];
  };
  static void capture_registers(registers& r) noexcept { lastcpu::capture_place(r.pc, r.sp, r.fp); }
  static void crash_shutdown(const registers&) noexcept {}

  struct image {
    uintptr_t words[64];
  };
  static bool image_intact(const image& i) noexcept { return i.words[0] != 0; }
  static void jump(const image&) noexcept {}
  static void save_note(const image&, const lastcpu::cpu_note<registers>&) noexcept {}
};
using policy = lastcpu::reporting_policy<put>;

constinit lastcpu::crash_domain<port, policy> machine;

template class lastcpu::crash_domain<port, policy>;
template class lastcpu::crash_path<port, policy>;
template class lastcpu::crash_image<port>;
template class lastcpu::panic_cpu<port>;
template class lastcpu::panic_messages<port, policy::message_bytes>;
template class lastcpu::stop_cpus<port>;

uint32_t silent_cpus() {
  return machine.stop_others().count(lastcpu::stop_state::silent);
}
[[noreturn]] void give_up() {
  lastcpu::panic_here(machine, "the end");
}
