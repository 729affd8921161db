// SPDX-License-Identifier: BSL-1.0
#pragma once
// From the dying kernel into the crash kernel that load_crash_kernel() has prepared.
//
// What the crash kernel finds, entered as a function of one argument: RDI = physical address of the handover
// (kexec/handover.hpp); 64-bit mode, ring 0, [0, map_bytes) mapped one to one, a stack of 16 KiB, aligned as after a call,
// with 0 as return address; CS 0x08, SS DS ES 0x10, FS GS LDT null; interrupts off, NMIs on and ignored, any other
// exception restarts the machine, no machine check is being handled; no breakpoint armed; CR0 and CR4 as in trampoline.hpp, SSE usable; the other registers
// 0. Left as they were: MSRs (EFER, FS and GS base, APIC), TR, devices, and interrupts that are pending or in service in
// the local APIC; other CPUs, which may run as long as they are silent.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/kexec/handover_writer.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/page_tables.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// The machine that jump_to() runs on; a test gives its own.
struct jump_machine {
  ///@{
  /// What jump_to() needs of it.
  static void interrupts_off() noexcept { cli(); }
  static void breakpoints_off() noexcept { write_dr7(0); }
  [[nodiscard]] static uint64_t cr3() noexcept { return read_cr3(); }
  [[nodiscard]] static uint64_t cr4() noexcept { return read_cr4(); }
  [[nodiscard]] static uint64_t now() noexcept { return rdtsc(); }
  static void enter(const unsigned char* trampoline) noexcept {
    asm volatile("jmp *%0" : : "r"(trampoline) : "memory");
  }
  ///@}
};

/// Starts the crash kernel; any context. Returns only when `record` is not intact, or its page tables have another
/// number of levels than this CPU's (interrupts are as they were then). The image itself is image_intact()'s concern.
template <class Machine = jump_machine>
inline void jump_to(const kexec::crash_image_record& record) noexcept {
  if (!kexec::record_intact(record)) return;
  if (((Machine::cr4() & cr4_la57) != 0 ? 5 : 4) != record.table_levels) return;
  Machine::interrupts_off();
  Machine::breakpoints_off();  // before the first write: somebody may be looking for what writes into the region
  kexec::handover* h = kexec::handover_of(record);
  h->page_tables = Machine::cr3();
  h->jump_ticks = Machine::now();
  kexec::seal_handover(record, kexec::handover_bytes<handover_cpu>(record.cpu_capacity));
  Machine::enter(record.region.mapped + record.trampoline);
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
