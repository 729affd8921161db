// SPDX-License-Identifier: BSL-1.0
// What a kernel on x86-64 writes.
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>
#include <lastcpu/platform/x86_64/entry.hpp>

// The kernel's own functions.
static lastcpu::cpu_id cpu_of_gdt(uint64_t) {
  return 0;
}
static bool cpu_is_up(lastcpu::cpu_id cpu) {
  return cpu == 0;
}
static bool all_cpus_are_up() {
  return true;
}
static uint32_t apic_id_of(lastcpu::cpu_id cpu) {
  return cpu;
}
static volatile void* mapped_uncached(uint64_t physical) {
  return reinterpret_cast<volatile void*>(physical);
}
static uint64_t tsc_hertz() {
  return 1'000'000'000;
}

static lastcpu::x86::stack_choice set_ist(lastcpu::x86::handler_stack, lastcpu::x86::stack_choice choice) {
  return choice;
}
static bool is_mine(const lastcpu::x86::registers&) {
  return true;
}

#include "port_x86_64.inc"

int main() {
  return machine.gate().in_progress() ? 1 : 0;
}
