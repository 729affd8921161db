// SPDX-License-Identifier: BSL-1.0
#include "descriptors.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

namespace {

constexpr uint16_t code_selector = 0x08;
constexpr uint16_t data_selector = 0x10;
constexpr uint16_t task_selector = 0x18;

struct gate {
  uint16_t offset_low;
  uint16_t selector;
  uint8_t stack;
  uint8_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
alignas(16) constinit gate idt[256] = {};

void fill_gdt(descriptors::cpu_tables& t) noexcept {
  const uint64_t base = reinterpret_cast<uint64_t>(&t.tss);
  constexpr uint64_t available_task_state = uint64_t{0x89} << 40;
  t.gdt[1] = 0x00af'9b00'0000'ffff;
  t.gdt[2] = 0x00cf'9300'0000'ffff;
  t.gdt[3] = (sizeof(descriptors::task_state) - 1) | (base & 0xff'ffff) << 16 | available_task_state |
             (base >> 24 & 0xff) << 56;
  t.gdt[4] = base >> 32;
}

void load_segments() noexcept {
  asm volatile(
      "pushq %0\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "lretq\n"
      "1:\n\t"
      "movl %1, %%ds\n\t"
      "movl %1, %%es\n\t"
      "movl %1, %%ss"
      :
      : "i"(code_selector), "r"(uint32_t{data_selector})
      : "rax", "memory");
}

}  // namespace

void descriptors::load(cpu_tables& tables, const uint64_t (&stack_ends)[own_stacks]) noexcept {
  for (uint32_t i = 0; i < own_stacks; ++i) tables.tss.stacks[i] = stack_ends[i];
  tables.tss.io_map = sizeof(task_state);
  fill_gdt(tables);
  const lastcpu::x86::pseudo_descriptor gdt_pointer{sizeof tables.gdt - 1, reinterpret_cast<uint64_t>(tables.gdt)};
  const lastcpu::x86::pseudo_descriptor idt_pointer{sizeof idt - 1, reinterpret_cast<uint64_t>(idt)};
  lastcpu::x86::lgdt(gdt_pointer);
  load_segments();
  lastcpu::x86::ltr(task_selector);
  lastcpu::x86::lidt(idt_pointer);
}

void descriptors::set_gate(uint8_t vector, void (*entry)(), own_stack stack) noexcept {
  constexpr uint8_t interrupt_gate = 0x8e;
  const uint64_t at = reinterpret_cast<uint64_t>(entry);
  idt[vector] = {static_cast<uint16_t>(at),
                 code_selector,
                 static_cast<uint8_t>(stack),
                 interrupt_gate,
                 static_cast<uint16_t>(at >> 16),
                 static_cast<uint32_t>(at >> 32),
                 0};
}
