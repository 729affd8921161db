// SPDX-License-Identifier: BSL-1.0
#pragma once
// The port: what lastcpu's x86-64 platform does not know of this kernel; and the type of the machine that it makes.

#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

#include "clock.hpp"
#include "cpus.hpp"
#include "memory.hpp"
#include "trace.hpp"

struct port : lastcpu::x86_64<port> {
  static constexpr lastcpu::cpu_id max_cpus = cpus::max_cpus;
  static constexpr uint8_t stop_vector = 0xf0;
  static constexpr uint8_t wake_vector = 0xf1;
  static constexpr uint8_t spurious_vector = 0xff;
  static bool owns_every_cpu() noexcept { return cpus::all_have_started(); }

  static bool may_take_interrupts() noexcept { return cpus::is_on_ordinary_stack(); }

  static lastcpu::cpu_id this_cpu() noexcept { return cpus::this_cpu(); }
  static lastcpu::cpu_id cpu_limit() noexcept { return cpus::count(); }
  static bool is_online(lastcpu::cpu_id cpu) noexcept {
    return cpus::all[cpu].online.load(lastcpu::order::acquire) != 0;
  }
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept { return cpus::all[cpu].apic_id; }
  static uint64_t ticks_per_second() noexcept { return clock::ticks_per_second(); }

  static lastcpu::x86::stack_choice next_stack(lastcpu::x86::handler_stack which,
                                               lastcpu::x86::stack_choice choice) noexcept {
    return cpus::next_stack(which, choice);
  }

  static volatile void* lapic_page() noexcept { return memory::at_physical(firmware.local_apic); }
  static volatile void* io_apic(uint32_t i) noexcept {
    return i < firmware.io_apic_count ? memory::at_physical(firmware.io_apics[i]) : nullptr;
  }
  static void trace(const lastcpu::trace_event& event) noexcept { ::trace::add(event); }

  /// What the ACPI tables said; written by the boot CPU before it starts another.
  static acpi::machine firmware;
};

static_assert(lastcpu::platform_checked<port>);

struct kernel_policy;  // panic.hpp

// A build that tries another design names a header with another `machine_type`.
#ifdef KERNEL_MACHINE_TYPE
#include KERNEL_MACHINE_TYPE
#else
using machine_type = lastcpu::crash_domain<port, kernel_policy>;
#endif
