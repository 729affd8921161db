// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/entry.hpp>

#include "console.hpp"
#include "descriptors.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

LASTCPU_X86_ENTRY(panicking_entry, panic_in_interrupt);

void panic_in_interrupt(lastcpu::x86::registers*) noexcept {
  panic_here("in an interrupt, before its end");
}

namespace {

void nothing(uint32_t) noexcept {
  console::line() << "kernel: nothing to do, bye";
  stage::leave(17);
}

void panic(uint32_t) noexcept {
  panic_here("as asked");
}

void oops(uint32_t) noexcept {
  stage::write_to_null();
}

// The local APIC holds role 1's interrupt in service from then on, and lets no other one of that rank through.
void panic_before_eoi(uint32_t role) noexcept {
  constexpr uint8_t vector = port::wake_vector + 1;
  if (role == 0) descriptors::set_gate(vector, panicking_entry);
  stage::meet();
  if (role == 0)
    (void)port::local_apic::send(port::apic_id(stage::cpu_of(1)), lastcpu::x86::ipi_message::fixed(vector));
  stage::wait_until([] { return false; });
}

}  // namespace

constinit const scenarios::scenario scenarios::simple_ones[] = {{"nothing", nothing, 1},
                                                                {"panic", panic, 1},
                                                                {"oops", oops, 1},
                                                                {"panic_before_eoi", panic_before_eoi, 2},
                                                                {nullptr, nullptr, 0}};
