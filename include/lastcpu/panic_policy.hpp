// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel decides about its own end, and the fixed order of the steps.
//
// Derive from `panic_policy` and hide what you want different; every member is a constant or an empty function here.
// The functions are steps: each is called at most once however deep panics nest, on the owner, with interrupts off.
// A fault inside one goes on at the next.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <stdint.h>

namespace lastcpu {

inline constexpr uint32_t max_rungs = 4;

/// What a fault outside of any panic leads to.
enum class oops_action : uint8_t {
  dump,   // the crash kernel, if one is loaded; else life goes on
  panic,  // the end
  go_on,  // the context that faulted is ended, nothing more
};

/// The panic, for whoever prints it. Pointers are valid while the step runs.
template <class Registers>
struct panic_info {
  cpu_id cpu;                  // no_cpu: one without a number
  const char* message;         // never null
  const Registers* registers;  // of the same crash; null where a panic inside another one has handed over none
};

struct panic_policy {
  /// The ways of asking another CPU to stop, in turn; each only for those that the last one has not reached. An array.
  /// 20 ms for the interrupt: many times what a kernel keeps interrupts off for, and all that one loses which runs with
  /// them off somewhere. A CPU that is asked by NMI a little early may hold a lock; that is all.
  static constexpr rung rungs[] = {{stop_how::irq, 20'000}, {stop_how::nmi, 1'000'000}};

  /// Bytes kept of each message, the closing zero included. A CPU has three; with their marks these fill six lines of
  /// the cache.
  static constexpr uint32_t message_bytes = 124;

  /// Notifiers and message dump run before the crash kernel is started; an oops alone does not start it then. May be a
  /// variable.
  static constexpr bool crash_kexec_post_notifiers = false;

  /// What oops() does.
  static oops_action on_oops() noexcept { return oops_action::dump; }

  /// Without a crash kernel: restart after so long, or halt at once when false.
  static constexpr bool restarts = true;
  static constexpr uint32_t restart_delay_us = 0;

  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {}
  /// There is no crash kernel to start; `why` is a kexec_outcome: no_image, image_busy or image_corrupt. Called
  /// once, when the last attempt has failed.
  template <class Outcome>
  static void no_crash_kernel(Outcome /*why*/) noexcept {}
  template <class Report>
  static void notifiers(const Report&) noexcept {}
  template <class Messages>
  static void message_dump(const Messages&) noexcept {}
  static void flush() noexcept {}
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
