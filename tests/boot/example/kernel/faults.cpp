// SPDX-License-Identifier: BSL-1.0
// Faults on the way down.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "console.hpp"
#include "nmi.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace x86 = lastcpu::x86;

namespace {

// The report names what this CPU was running, and that pointer is bad.
void page_fault_in_reporter(uint32_t) noexcept {
  cpus::all[port::this_cpu()].running = reinterpret_cast<const char*>(0x10);
  panic_here("reported through a bad pointer");
}

bool faults(const x86::registers&) noexcept {
  if (machine.gate().on_this_cpu()) stage::write_to_null();
  return true;
}

// The dumper waits for an answer; an NMI comes, and its handler faults. What is left of the step is lost, not the dump.
void nested_in_step(uint32_t role) noexcept {
  if (role == 0) nmi::set_handler(faults);
  x86::cli();
  stage::meet();
  if (role == 0) panic_here("faults in a step");
  stage::wait_until([] { return machine.gate().read().step() >= static_cast<uint32_t>(lastcpu::step::rung_0); });
  stage::send_nmi(stage::cpu_of(0));
  stage::wait_until([] { return false; });
}

// No rung can be sent: the local APIC has been unmapped. Nobody hears of the panic; all others are idle, and need no EOI.
void fault_in_each_rung(uint32_t role) noexcept {
  stage::meet();
  if (role != 0) return;
  stage::unmap(port::firmware.local_apic);
  panic_here("can't reach the local APIC");
}

// The last step before the jump masks the IO-APIC, which has been unmapped.
void fault_in_shutdown(uint32_t) noexcept {
  stage::unmap(port::firmware.io_apics[0]);
  panic_here("can't reach the IO-APIC");
}

constinit lastcpu::atomic<uint32_t> check_on_parked{};

// A machine check on a CPU that has lost, and has parked: it must stay down.
void machine_check_on_parked(uint32_t role) noexcept {
  check_on_parked.store(1, lastcpu::order::relaxed);  // both roles, before they meet
  x86::cli();
  stage::meet();
  if (role == 0) panic_here("first");
  stage::wait_until([] { return machine.gate().in_progress(); });
  panic_here("parks, and has a machine check");
}

bool all_others_wait() noexcept {
  for (lastcpu::cpu_id cpu = 0; cpu < cpus::count(); ++cpu)
    if (cpu != port::this_cpu() && !machine.cpus().acknowledged(cpu)) return false;
  return true;
}

bool each_has_had_one() noexcept {
  return all_others_wait() && lastcpu::detail::inside::of(machine).gate.read().pending();
}

// Who started QEMU sends one to every CPU at once, as a broken machine does. Role 0 holds the gate on trial: the others
// lose in their handlers, and its own is pending.
void machine_checks_at_once(uint32_t role) noexcept {
  if (role != 0) stage::wait_until([] { return false; });
  x86::cli();
  if (!lastcpu::detail::inside::of(machine).gate.claim(lastcpu::hold::trial).won())
    panic_here("BUG: the gate was not open");
  console::line() << "kernel: waits for machine checks";
  stage::wait_until(each_has_had_one);
  (void)lastcpu::detail::inside::of(machine).gate.release();
  panic_here("all others have lost");
}

constinit lastcpu::atomic<uint32_t> wedged{};

bool stay_in_nmi(const x86::registers&) noexcept {
  wedged.store(1, lastcpu::order::release);
  for (;;) x86::halt();  // it costs less than to spin, and nothing wakes it
}

// Role 0 gets one, and another while it waits for role 1, which does not answer.
void machine_check_on_dumper(uint32_t role) noexcept {
  if (role == 0) nmi::set_handler(stay_in_nmi);
  stage::meet();
  if (role == 1) return stage::send_nmi(port::this_cpu());
  stage::wait_until([] { return wedged.load(lastcpu::order::acquire) != 0; });
  console::line() << "kernel: waits for machine checks";
  stage::wait_until([] { return false; });
}

}  // namespace

// lastcpu's hook: this CPU has said that it has stopped.
extern "C" void panic_smp_self_stop() noexcept {
  if (check_on_parked.load(lastcpu::order::relaxed) != 0) asm volatile("int $18" : : : "memory");
}

constinit const scenarios::scenario scenarios::faults[] = {
    {"page_fault_in_reporter", page_fault_in_reporter, 1},
    {"nested_in_step", nested_in_step, 2},
    {"fault_in_each_rung", fault_in_each_rung, everybody},
    {"fault_in_shutdown", fault_in_shutdown, 1},
    {"machine_check_on_parked", machine_check_on_parked, 2},
    {"machine_checks_at_once", machine_checks_at_once, everybody},
    {"machine_check_on_dumper", machine_check_on_dumper, 2},
    {nullptr, nullptr, 0}};
