// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel decides about a panic: how to stop the other CPUs, what to print, how to end.
//
// Derive from `panic_policy` and hide the members that you want different; here each is a constant or an empty
// function. The functions are steps of the ladder: each is called at most once, however deep panics nest, on the owner,
// with interrupts off. A fault inside one goes on at the next step.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <stdint.h>

namespace lastcpu {

/// How many rungs a policy may have at most.
inline constexpr uint32_t max_rungs = 4;

namespace detail {

// Asked for by name: a policy without it costs no step.
template <class Policy, class Note>
concept has_summary = requires(const Note& n) {
  { Policy::summary(n) }
  noexcept;
};

}  // namespace detail

/// What a fault outside any panic leads to.
enum class oops_action : uint8_t {
  dump,   ///< the crash kernel is started if one is loaded; if not, as go_on
  panic,  ///< a panic
  go_on,  ///< the kernel ends the context that faulted, nothing more
};

/// The panic that Policy::report() prints. The pointers are valid while it runs.
template <class Registers>
struct panic_info {
  cpu_id cpu;                  ///< no_cpu: one without a number
  const char* message;         ///< never null
  const Registers* registers;  ///< of the same crash; null where a nested panic was given none
};

/// What a function of panic_policy answers that a policy has not hidden: what would be made for it is left out.
struct nothing_to_do {};

/// The defaults: an interrupt, then an NMI, no word printed, restart at once. Derive and hide what you want different.
/// The functions run on the owner, interrupts off or NMI context, but for on_oops(), which runs where the fault was.
struct panic_policy {
  /// The ways of asking the other CPUs to stop, in turn; each is used for the CPUs that have not acknowledged before.
  /// A constant array of one to four. Those that the port lacks are left out: by NMI where P::has_nmi is false, `forced`
  /// where there is no P::force_stop().
  /// The interrupt has 20 ms: many times as long as a kernel keeps interrupts off, and no great loss where some CPU
  /// keeps them off for ever. All that an NMI a little too early costs is that its CPU may hold a lock.
  static constexpr rung rungs[] = {{stop_how::irq, 20'000}, {stop_how::nmi, 1'000'000}};

  /// Bytes kept of each message, the terminating zero included. A CPU has three messages; with their marks they fill
  /// six cache lines.
  static constexpr uint32_t message_bytes = 124;

  /// True: notifiers and message dump run before the crash kernel is started, and an oops alone does not start it. May
  /// be a variable.
  static constexpr bool crash_kexec_post_notifiers = false;

  /// What crash_domain::oops() does.
  static oops_action on_oops() noexcept { return oops_action::dump; }

  ///@{
  /// Without a crash kernel: restart after `restart_delay_us` microseconds, or, when false, halt at once.
  static constexpr bool restarts = true;
  static constexpr uint32_t restart_delay_us = 0;
  ///@}

  /// The first words, before the others are stopped: they may still run, and hold the console's lock.
  template <class Registers>
  static nothing_to_do report(const panic_info<Registers>&) noexcept {
    return {};
  }
  /// There is no crash kernel to start. `why` is a kexec_outcome: no_image, image_busy or image_corrupt. Called once,
  /// when the last attempt has failed.
  template <class Outcome>
  static void no_crash_kernel(Outcome /*why*/) noexcept {}
  // Optional: `template <class Note> static void summary(const Note&) noexcept`. Called after the stop of every crash, once
  // for each CPU with its cpu_note, the crashing CPU first. After a fault in it, it goes on with the next CPU.
  // Optional: `static void before_step(step) noexcept`. Called before each step (step.hpp) is begun, once: to feed a
  // watchdog, to light an LED. A fault in it goes on at that step.
  /// Whoever wants to hear of the panic. `Report` is stop_cpus::report_type. Not called where an image is claimed.
  template <class Report>
  static nothing_to_do notifiers(const Report&) noexcept {
    return {};
  }
  /// Saves the kernel's log. `Messages` is panic_messages. Not called where an image is claimed. After Linux's
  /// kmsg_dump.
  template <class Messages>
  static void message_dump(const Messages&) noexcept {}
  /// Sends what the console still has, before the restart.
  static void flush() noexcept {}
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
