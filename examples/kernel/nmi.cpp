// SPDX-License-Identifier: BSL-1.0
#include "nmi.hpp"

#include <lastcpu/platform/x86_64/entry.hpp>

#include "panic.hpp"

LASTCPU_X86_NMI_ENTRY(nmi_entry, handle_nmi);

namespace {
constinit lastcpu::atomic<uintptr_t> the_handler{};
constinit lastcpu::atomic<uint32_t> unknown_is_a_panic{};
}  // namespace

// Runs on an IST stack of its own. On a CPU that is to stop the first line does not return. It does on the owner of a
// panic, and IRET is right there: it goes on with what it was doing.
void handle_nmi(lastcpu::x86::registers* regs) noexcept {
  port::handlers::nmi(machine, *regs);
  const auto mine = reinterpret_cast<nmi::handler>(the_handler.load(lastcpu::order::acquire));
  if (mine != nullptr && mine(*regs)) return;
  if (unknown_is_a_panic.load(lastcpu::order::relaxed) != 0)
    port::handlers::panic_in_nmi(machine, "unknown NMI", *regs);
}

void nmi::set_up() noexcept {
  descriptors::set_gate(2, nmi_entry, descriptors::own_stack::nmi);
}

void nmi::set_handler(handler h) noexcept {
  the_handler.store(reinterpret_cast<uintptr_t>(h), lastcpu::order::release);
}

void nmi::panic_on_unknown(bool yes) noexcept {
  unknown_is_a_panic.store(yes ? 1 : 0, lastcpu::order::relaxed);
}
