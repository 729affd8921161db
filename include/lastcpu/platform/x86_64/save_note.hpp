// SPDX-License-Identifier: BSL-1.0
#pragma once
// A CPU's note in the handover, with what this machine knows of the CPU beyond it.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/kexec/handover_writer.hpp>
#include <lastcpu/platform/x86_64/apic_id.hpp>
#include <lastcpu/platform/x86_64/control.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// Appends a CPU to the handover. By the owner of the gate, whose own control words are taken here; any context. Those
/// of a CPU without registers count for nothing: it may be writing them.
template <class Kernel>
[[gnu::noinline]] inline void save_note(const kexec::crash_image_record& record,
                                        const cpu_note<registers>& note) noexcept {
  const bool numbered = note.cpu < Kernel::max_cpus;
  control_state& state = kept_control<Kernel>::of_cpu[numbered ? note.cpu : Kernel::max_cpus];
  uint32_t id = numbered ? Kernel::apic_id(note.cpu) : kexec::no_hardware_id;
  if (note.crashing) {
    capture_control(state);
    if (!numbered) id = initial_apic_id();
  }
  const bool known = note.crashing || (note.registers != nullptr && state.valid());
  (void)kexec::save_note<core_registers>(record, note, {known ? &state : nullptr, id});
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
