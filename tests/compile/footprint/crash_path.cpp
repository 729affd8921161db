// SPDX-License-Identifier: BSL-1.0
// What a kernel on bare x86-64 calls. WHOLE: panic() and nmi_panic(), too.
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

struct port : lastcpu::x86_64<port> {
  static constexpr lastcpu::cpu_id max_cpus = MAX_CPUS;
  static constexpr uint8_t stop_vector = 0xf0;
  static bool owns_every_cpu() noexcept;
  static lastcpu::cpu_id this_cpu() noexcept;
  static bool is_online(lastcpu::cpu_id cpu) noexcept;
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept;
  static volatile void* lapic_page() noexcept;
  static volatile void* io_apic(uint32_t i) noexcept;
  static uint64_t ticks_per_second() noexcept;
};

constinit lastcpu::crash_domain<port> machine;

void on_oops(const port::registers& r) {
  (void)machine.crash_kexec(&r, "oops");
}
void on_nmi(const port::registers& r) {
  machine.handle_nmi(r);
}
void on_stop_irq(const port::registers& r) {
  machine.handle_stop_irq(r);
}

#ifdef WHOLE
void die(const char* why) {
  machine.panic(why);
}
void on_hard_lockup(const port::registers& r) {
  machine.nmi_panic("lockup", r);
}
#endif
