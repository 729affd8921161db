// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a core holds of an x86-64 CPU: the `Machine` of kexec/core_notes.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_notes.hpp>
#include <lastcpu/kexec/elf64.hpp>
#include <lastcpu/platform/x86_64/control.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// The register block of NT_PRSTATUS: `registers`, then fs_base, gs_base, ds, es, fs, gs.
struct core_registers {
  ///@{
  /// As kexec/core_notes.hpp asks for it.
  using registers = x86::registers;
  using control = control_state;
  static constexpr kexec::elf64_machine machine = kexec::elf64_machine::x86_64;
  static constexpr uint32_t prstatus_words = 27;

  [[nodiscard]] static uint64_t stack_pointer(const registers& regs) noexcept { return regs.rsp; }
  [[nodiscard]] static bool is_boot_cpu(const control& state) noexcept { return state.boot_cpu(); }
  [[nodiscard]] static uint64_t page_tables(const control& state) noexcept { return state.cr3; }
  ///@}

  /// Fills in the note's register block. `to` is zeroed. The word of the error code is orig_rax there, and ~0 says that
  /// this is no system call.
  static void fill_prstatus(unsigned char* to, const registers& regs, const control* state) noexcept {
    kexec::copy_bytes(to, reinterpret_cast<const unsigned char*>(&regs), sizeof regs);
    kexec::write_word(to + offsetof(registers, error_code), ~uint64_t{0});
    if (state == nullptr) return;
    kexec::write_word(to + sizeof regs, state->fs_base);
    kexec::write_word(to + sizeof regs + 8, state->gs_base);
  }
};

/// One CPU of an x86-64 handover.
using handover_cpu = kexec::cpu_entry_of<core_registers>;

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
