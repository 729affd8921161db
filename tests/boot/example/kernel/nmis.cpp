// SPDX-License-Identifier: BSL-1.0
// NMIs at the worst moment. Where one is to hit the dumper, its sender has interrupts off: the first rung can't reach it,
// and so the dump takes long enough.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "nmi.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace x86 = lastcpu::x86;

namespace {

bool committed() noexcept {
  return machine.gate().read().is_committed();
}

// An NMI that panics, on the CPU that dumps: its panic is kept, and it returns.
void nmi_on_dumper(uint32_t role) noexcept {
  nmi::panic_on_unknown(true);
  x86::cli();
  stage::meet();
  if (role == 0) panic_here("dumps");
  stage::wait_until(committed);
  stage::send_nmi(stage::cpu_of(0));
  stage::wait_until([] { return false; });
}

// Role 1 panics in NMI context, while role 0 panics.
void nmi_loser(uint32_t role) noexcept {
  nmi::panic_on_unknown(true);
  stage::meet_with_skew();
  if (role == 0) panic_here("races an NMI");
  stage::send_nmi(port::this_cpu());
  stage::wait_until([] { return false; });
}

// Role 0 holds the gate on trial, again and again; an NMI that panics comes in between.
void nmi_panic_pending(uint32_t role) noexcept {
  nmi::panic_on_unknown(true);
  if (role == 0 && machine.image().ready()) stage::damage_the_image();
  stage::meet_with_skew();
  if (role == 1) return stage::send_nmi(stage::cpu_of(0));
  for (;;) (void)machine.crash_kexec();
}

[[noreturn]] void storm() noexcept {
  for (;;) {
    for (lastcpu::cpu_id cpu = 0; cpu < cpus::count(); ++cpu)
      if (cpu != port::this_cpu()) stage::send_nmi(cpu);
    stage::wait_us(20 + stage::seed() % 100);
  }
}

// Role 1 sends NMIs to everybody, until one stops it.
void nmi_storm(uint32_t role) noexcept {
  x86::cli();
  stage::meet_with_skew();
  if (role == 1) storm();
  panic_here("in a storm of NMIs");
}

constinit lastcpu::atomic<uint32_t> storming{};

bool storm_in_nmi(const x86::registers&) noexcept {
  if (port::this_cpu() != stage::cpu_of(1)) return true;
  storming.store(1, lastcpu::order::release);
  storm();
}

// The same from inside an NMI handler: nothing stops it, and the crash kernel runs in the storm.
void nmi_storm_to_the_end(uint32_t role) noexcept {
  if (role == 0) nmi::set_handler(storm_in_nmi);
  stage::meet();
  if (role == 1) return stage::send_nmi(port::this_cpu());
  stage::wait_until([] { return storming.load(lastcpu::order::acquire) != 0; });
  stage::wait_less(4);
  panic_here("in a storm of NMIs");
}

constexpr uint64_t smi_handler = 0x3'8000;  // where a CPU begins that the firmware has not moved
constexpr uint64_t smi_count = 0x3'9000;

// incw 0x9000 in 0x30000, rsm
void set_smi_handler() noexcept {
  constexpr unsigned char code[] = {0x2e, 0xff, 0x06, 0x00, 0x90, 0x0f, 0xaa};
  for (uint64_t i = 0; i < sizeof code; ++i) memory::at_physical(smi_handler)[i] = code[i];
  *memory::at_physical<volatile uint16_t>(smi_count) = 0;
}

uint16_t smis() noexcept {
  return *memory::at_physical<volatile uint16_t>(smi_count);
}

bool smi_storm(const x86::registers&) noexcept {
  if (port::this_cpu() != stage::cpu_of(1)) return true;
  storming.store(1, lastcpu::order::release);
  constexpr x86::ipi_message smi{x86::ipi_message::assert_level | 2u << 8};
  for (;;) {
    (void)port::local_apic::send(port::apic_id(stage::cpu_of(2)), smi);
    stage::wait_us(100);
  }
}

// Role 1 sends SMIs to role 2, which is idle, then stopped: from inside an NMI handler, so that nothing stops them. A
// PC's firmware has moved the boot CPU's handler, and only that; qboot has moved none.
void smi_storm_on_parked(uint32_t role) noexcept {
  if (role == 0) {
    set_smi_handler();
    nmi::set_handler(smi_storm);
  }
  stage::meet();
  if (role == 1) return stage::send_nmi(port::this_cpu());
  if (role == 2) return;
  stage::wait_until([] { return storming.load(lastcpu::order::acquire) != 0; });
  stage::wait_until([] { return smis() != 0 || stage::cpu_of(2) == 0; });
  stage::wait_less(4);
  panic_here("somebody has SMIs");
}

}  // namespace

constinit const scenarios::scenario scenarios::nmis[] = {{"nmi_on_dumper", nmi_on_dumper, 2},
                                                         {"nmi_loser", nmi_loser, 2},
                                                         {"nmi_panic_pending", nmi_panic_pending, 2},
                                                         {"nmi_storm", nmi_storm, 2},
                                                         {"nmi_storm_to_the_end", nmi_storm_to_the_end, 2},
                                                         {"smi_storm_on_parked", smi_storm_on_parked, 3},
                                                         {nullptr, nullptr, 0}};
