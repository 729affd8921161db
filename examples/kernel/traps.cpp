// SPDX-License-Identifier: BSL-1.0
#include "traps.hpp"

#include <lastcpu/platform/x86_64/entry.hpp>

#include "console.hpp"
#include "panic.hpp"

using registers = lastcpu::x86::registers;
using descriptors::own_stack;

namespace {

// The crash kernel for the oops if there is one; a panic otherwise. Returns never, on the owner of a panic neither: there
// the panic is a nested one and goes on behind the step that faulted.
[[noreturn]] void oops(const char* what, bool has_address, const registers& regs) noexcept {
  text why;
  why << what << " at " << hex{regs.rip};
  if (has_address) why << " address " << hex{lastcpu::x86::read_cr2()};
  console::line() << "oops: cpu " << cpus::this_cpu() << " " << why.c_str();
  (void)machine.crash_kexec(&regs, why.c_str());
  machine.panic(why.c_str(), &regs);
}

}  // namespace

#define OOPS(entry_macro, name, what, has_address) \
  entry_macro(name##_entry, name##_oops);          \
  void name##_oops(registers* regs) noexcept {     \
    oops(what, has_address, *regs);                \
  }

OOPS(LASTCPU_X86_ENTRY, divide_error, "divide error", false)
OOPS(LASTCPU_X86_ENTRY, debug, "debug exception", false)
OOPS(LASTCPU_X86_ENTRY, breakpoint, "breakpoint", false)
OOPS(LASTCPU_X86_ENTRY, invalid_opcode, "invalid opcode", false)
OOPS(LASTCPU_X86_ENTRY, no_fpu, "FPU instruction", false)
OOPS(LASTCPU_X86_ENTRY_WITH_ERROR_CODE, segment, "segment fault", false)
OOPS(LASTCPU_X86_ENTRY_WITH_ERROR_CODE, stack, "stack fault", false)
OOPS(LASTCPU_X86_ENTRY_WITH_ERROR_CODE, protection, "general protection fault", false)
OOPS(LASTCPU_X86_ENTRY_WITH_ERROR_CODE, page_fault, "page fault", true)
OOPS(LASTCPU_X86_ENTRY, other, "unexpected exception", false)
OOPS(LASTCPU_X86_ENTRY_WITH_ERROR_CODE, other_with_code, "unexpected exception with an error code", false)

LASTCPU_X86_ENTRY_WITH_ERROR_CODE(double_fault_entry, handle_double_fault);
LASTCPU_X86_ENTRY(machine_check_entry, handle_machine_check);
LASTCPU_X86_ENTRY(stop_entry, handle_stop);
LASTCPU_X86_ENTRY(wake_entry, handle_wake);
LASTCPU_X86_ENTRY(spurious_entry, handle_spurious);

// At the end of a stack there is no room for the frame of the page fault, and it becomes this.
void handle_double_fault(registers* regs) noexcept {
  const bool overflow = cpus::is_guard(lastcpu::x86::read_cr2());
  oops(overflow ? "stack overflow" : "double fault", overflow, *regs);
}

void handle_machine_check(registers* regs) noexcept {
  port::handlers::machine_check(machine, *regs);
}

void handle_stop(registers* regs) noexcept {
  port::handlers::stop(machine, *regs);
}

void handle_wake(registers* regs) noexcept {
  port::handle_wake(*regs);
}

void handle_spurious(registers*) noexcept {}

void traps::set_up() noexcept {
  using descriptors::set_gate;
  for (uint32_t vector = 0; vector < 256; ++vector) set_gate(static_cast<uint8_t>(vector), other_entry);
  constexpr uint8_t with_code[] = {10, 17, 21, 29, 30};
  for (const uint8_t vector : with_code) set_gate(vector, other_with_code_entry);
  set_gate(0, divide_error_entry);
  set_gate(1, debug_entry);
  set_gate(3, breakpoint_entry);
  set_gate(6, invalid_opcode_entry);
  set_gate(7, no_fpu_entry);
  set_gate(8, double_fault_entry, own_stack::double_fault);
  set_gate(11, segment_entry);
  set_gate(12, stack_entry);
  set_gate(13, protection_entry);
  set_gate(14, page_fault_entry);
  set_gate(18, machine_check_entry, own_stack::machine_check);
  set_gate(port::stop_vector, stop_entry);
  set_gate(port::wake_vector, wake_entry);
  set_gate(port::spurious_vector, spurious_entry);
}
