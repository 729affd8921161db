// SPDX-License-Identifier: BSL-1.0
// Faults on the way down.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "../nmi.hpp"
#include "../panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace x86 = lastcpu::x86;

namespace {

// The report names what this CPU was running, and that pointer is bad.
void page_fault_in_reporter(uint32_t) noexcept {
  cpus::all[port::this_cpu()].running = reinterpret_cast<const char*>(0x10);
  machine.panic("reported through a bad pointer");
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
  if (role == 0) machine.panic("faults in a step");
  stage::wait_until([] { return machine.gate().read().step() >= static_cast<uint32_t>(lastcpu::step::rung_0); });
  stage::send_nmi(stage::cpu_of(0));
  stage::wait_until([] { return false; });
}

// The last step before the jump masks the IO-APIC, which has been unmapped.
void fault_in_shutdown(uint32_t) noexcept {
  memory::unmap(port::firmware.io_apics[0]);
  machine.panic("can't reach the IO-APIC");
}

constinit lastcpu::atomic<uint32_t> check_on_parked{};

// A machine check on a CPU that has lost, and has parked: it must stay down.
void machine_check_on_parked(uint32_t role) noexcept {
  check_on_parked.store(1, lastcpu::order::relaxed);  // both roles, before they meet
  x86::cli();
  stage::meet();
  if (role == 0) machine.panic("first");
  stage::wait_until([] { return machine.gate().in_progress(); });
  machine.panic("parks, and has a machine check");
}

}  // namespace

// lastcpu's hook: this CPU has said that it has stopped.
extern "C" void panic_smp_self_stop() noexcept {
  if (check_on_parked.load(lastcpu::order::relaxed) != 0) asm volatile("int $18" : : : "memory");
}

constinit const scenarios::scenario scenarios::faults[] = {{"page_fault_in_reporter", page_fault_in_reporter, 1},
                                                           {"nested_in_step", nested_in_step, 2},
                                                           {"fault_in_shutdown", fault_in_shutdown, 1},
                                                           {"machine_check_on_parked", machine_check_on_parked, 2},
                                                           {nullptr, nullptr, 0}};
