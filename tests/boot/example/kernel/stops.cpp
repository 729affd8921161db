// SPDX-License-Identifier: BSL-1.0
// CPUs that are hard to stop, or answer at the wrong time.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "nmi.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace x86 = lastcpu::x86;

namespace {

void for_ever() noexcept {
  stage::wait_until([] { return false; });
}

void wedged_irqs_off(uint32_t role) noexcept {
  if (role == 1) x86::cli();
  stage::meet();
  if (role == 0) panic_here("somebody has interrupts off");
  for_ever();
}

// As a CPU is for some instructions on its way into a kernel: interrupts off, and no stack. An NMI that had none of its
// own would be a double fault.
void wedged_without_stack(uint32_t role) noexcept {
  if (role == 1) x86::cli();
  stage::meet();
  if (role == 0) panic_here("somebody has no stack");
  constexpr uint64_t nowhere = 0xffff'ffff'ffff'f000;
  asm volatile("movq %0, %%rsp\n1:\tpause\n\tjmp 1b" : : "r"(nowhere) : "memory");
}

constinit lastcpu::atomic<uint32_t> in_nmi{};

bool is_pair() noexcept {
  return cpus::count() == 2;
}

// It spins beside one CPU, and sleeps beside more: NMIs are blocked and interrupts off, and nothing wakes it.
bool wedge(const x86::registers&) noexcept {
  in_nmi.store(1, lastcpu::order::release);
  while (!is_pair()) x86::halt();
  for_ever();
  return true;
}

// Role 1 takes an NMI, and is in its handler when role 0 panics.
void panic_against_nmi(uint32_t role, nmi::handler handler, const char* message) noexcept {
  if (role == 0) nmi::set_handler(handler);
  stage::meet();
  if (role == 1) return stage::send_nmi(port::this_cpu());
  stage::wait_until([] { return in_nmi.load(lastcpu::order::acquire) != 0; });
  panic_here(message);
}

// Two CPUs are given all the time that the policy has.
void wedged_in_nmi(uint32_t role) noexcept {
  if (role == 0 && !is_pair()) stage::wait_less(4);
  panic_against_nmi(role, wedge, "somebody is wedged in an NMI");
}

bool wait_for_the_last_steps(const x86::registers&) noexcept {
  in_nmi.store(1, lastcpu::order::release);
  stage::wait_until([] { return machine.gate().read().step() > static_cast<uint32_t>(lastcpu::step::collect); });
  return true;
}

// Role 1 comes back when the report is closed: the NMI that was sent to it waits, and it answers.
void late_ack(uint32_t role) noexcept {
  if (role == 0) stage::wait_less(4);
  panic_against_nmi(role, wait_for_the_last_steps, "somebody answers late");
}

// Stop interrupts and NMIs that nobody has asked for: nobody stops, and none of them counts later.
void stray_ack(uint32_t role) noexcept {
  stage::meet();
  for (uint64_t i = 0; i < 100; ++i) {
    stage::send_nmi(stage::cpu_of(1 - role));
    (void)port::local_apic::send(port::apic_id(stage::cpu_of(1 - role)), x86::ipi_message::fixed(port::stop_vector));
    stage::wait_us(stage::seed() % 50);
  }
  if (role == 0) panic_here("after stray interrupts");
}

// The owner of the gate stops the others twice, by hand, before it panics.
void double_stop(uint32_t) noexcept {
  x86::cli();
  (void)lastcpu::detail::inside::of(machine).gate.claim(lastcpu::hold::final);
  (void)lastcpu::detail::inside::of(machine).gate.commit();
  const auto first = machine.stop_others();
  const auto again = machine.stop_others();
  bool same = first.status() == again.status();
  for (lastcpu::cpu_id cpu = 0; cpu < port::max_cpus; ++cpu) same = same && first.state(cpu) == again.state(cpu);
  panic_here(same ? "stopped twice, one report" : "BUG: stopped twice, two reports");
}

}  // namespace

constinit const scenarios::scenario scenarios::stops[] = {{"wedged_irqs_off", wedged_irqs_off, 2},
                                                          {"wedged_without_stack", wedged_without_stack, 2},
                                                          {"wedged_in_nmi", wedged_in_nmi, 2},
                                                          {"late_ack", late_ack, 2},
                                                          {"stray_ack", stray_ack, 2},
                                                          {"double_stop", double_stop, 1},
                                                          {nullptr, nullptr, 0}};
