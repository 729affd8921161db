// SPDX-License-Identifier: BSL-1.0
#pragma once
// The CPUs: one block of memory each, found through the GDT register, and how the others are started.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/x86_64/handlers.hpp>

#include <stddef.h>
#include <stdint.h>

#include "acpi.hpp"
#include "descriptors.hpp"

namespace cpus {

using lastcpu::cpu_id;
inline constexpr cpu_id max_cpus = acpi::max_cpus;
inline constexpr size_t stack_bytes = 16384;

/// Who grows out of it meets a page that is not there: a page fault that finds no room for its frame, hence a double
/// fault, which has a stack of its own.
struct alignas(4096) guarded_stack {
  unsigned char guard[4096];
  unsigned char bytes[stack_bytes];
};

struct alignas(4096) cpu {
  descriptors::cpu_tables tables;  // first: this_cpu() divides its address
  uint32_t apic_id;
  lastcpu::atomic<uint32_t> online;
  const char* running;  // what it does, for people
  guarded_stack stack;
  guarded_stack own_stacks[descriptors::own_stacks];
};
extern cpu all[max_cpus];

/// Who asks, in any context: the GDT stays the same whatever a GS base, a stack or a task is about to become.
/// no_cpu for a CPU that is being started.
[[nodiscard]] cpu_id this_cpu() noexcept;

/// Where the next NMI, or machine check, of this CPU runs; answers where this one would have. See lastcpu's handlers.hpp.
lastcpu::x86::stack_choice next_stack(lastcpu::x86::handler_stack which, lastcpu::x86::stack_choice choice) noexcept;

/// Not on the stack of an NMI, a machine check or a double fault.
[[nodiscard]] bool is_on_ordinary_stack() noexcept;

/// The address is in the page that ends one of this CPU's stacks.
[[nodiscard]] bool is_guard(uint64_t address) noexcept;

/// CPUs that have ever been online: 0 .. count()-1.
[[nodiscard]] cpu_id count() noexcept;

/// The boot CPU becomes CPU 0, with tables and stacks of its own for NMIs and the like.
void set_up_boot_cpu() noexcept;

/// Every CPU of the machine runs this kernel, and none is under way: an interrupt for all of them disturbs nobody.
[[nodiscard]] bool all_have_started() noexcept;

/// Starts all that the machine has, one after the other. A CPU that does not come up is left out.
void start_others(const acpi::machine& machine) noexcept;

}  // namespace cpus
