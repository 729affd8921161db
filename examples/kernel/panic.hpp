// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine's end: what this kernel decides about it, and the one object that carries it out.

#include "port.hpp"

struct kernel_policy : lastcpu::panic_policy {
  // The second one is long because a virtual CPU may not run for seconds; real ones answer in microseconds.
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 500'000}, {lastcpu::stop_how::nmi, 4'000'000}};

  static void report(const lastcpu::panic_info<port::registers>& panic) noexcept;
  static void no_crash_kernel(lastcpu::kexec_outcome why) noexcept;
  static void notifiers(const lastcpu::stop_report<port::max_cpus>& report) noexcept;
  template <class Messages>
  static void message_dump(const Messages&) noexcept {
    dump_messages();
  }
  static void flush() noexcept;

 private:
  static void dump_messages() noexcept;
};

extern machine_type machine;

/// The end, without a trap that brings registers. Any context.
[[noreturn, gnu::always_inline]] inline void panic_here(const char* message) noexcept {
  lastcpu::panic_here(machine, message);
}
