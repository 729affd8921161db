// SPDX-License-Identifier: BSL-1.0
// What a kernel on another machine writes.
#include <lastcpu/lastcpu.hpp>

// The kernel's own functions.
static lastcpu::cpu_id cpu_by_hardware_id() {
  return 0;
}
static bool cpu_is_up(lastcpu::cpu_id cpu) {
  return cpu == 0;
}
static void send_nmi(lastcpu::cpu_id) {}
static void send_ipi(lastcpu::cpu_id) {}
static void sleep_with_interrupts_off() {}

#include "port_defaults.inc"

constinit lastcpu::crash_domain<my_port> machine;

int main(int count, char**) {
  if (count > 1) lastcpu::panic_here(machine, "as asked");
  return machine.gate().in_progress() ? 1 : 0;
}
