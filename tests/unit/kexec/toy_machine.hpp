// SPDX-License-Identifier: BSL-1.0
#pragma once
// A processor of two registers: what is the same on every machine is tested with it.

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/elf64.hpp>

namespace lastcpu::test {

struct toy_machine {
  struct registers {
    uint64_t pc, sp;
  };
  struct control {
    uint64_t root;
  };
  static constexpr kexec::elf64_machine machine = kexec::elf64_machine::riscv;
  static constexpr uint32_t prstatus_words = 3;
  static uint64_t stack_pointer(const registers& regs) noexcept { return regs.sp; }
  static bool is_boot_cpu(const control&) noexcept { return false; }
  static uint64_t page_tables(const control& state) noexcept { return state.root; }
  static void fill_prstatus(unsigned char* to, const registers& regs, const control* state) noexcept {
    kexec::write_word(to, regs.pc);
    kexec::write_word(to + 8, regs.sp);
    if (state != nullptr) kexec::write_word(to + 16, state->root);
  }
};

}  // namespace lastcpu::test
