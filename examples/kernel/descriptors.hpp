// SPDX-License-Identifier: BSL-1.0
#pragma once
// Segments, task state and gates. The GDT is each CPU's own, and its address tells which CPU this is (cpus.hpp).

#include <stdint.h>

namespace descriptors {

/// Stacks of their own for what may come at any instruction.
enum class own_stack : uint8_t { none, nmi, double_fault, machine_check, spare_nmi, spare_machine_check };
inline constexpr uint32_t own_stacks = 5;

struct [[gnu::packed]] task_state {
  uint32_t reserved_0;
  uint64_t privileged_stacks[3];
  uint64_t reserved_1;
  uint64_t stacks[7];  // [own_stack - 1]: where it ends
  uint64_t reserved_2;
  uint16_t reserved_3;
  uint16_t io_map;
};

struct alignas(16) cpu_tables {
  uint64_t gdt[5];
  task_state tss;
};

/// Fills `tables` and makes this CPU use them, and the IDT.
void load(cpu_tables& tables, const uint64_t (&stack_ends)[own_stacks]) noexcept;

/// For the boot CPU, before load().
void set_gate(uint8_t vector, void (*entry)(), own_stack stack = own_stack::none) noexcept;

}  // namespace descriptors
