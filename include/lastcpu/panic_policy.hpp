// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel decides about its own end, and the fixed order of the steps.
//
// Derive from `panic_policy` and hide what you want different; every member is a constant or an empty function here.
// The functions are steps: each is called at most once however deep panics nest, on the owner, with interrupts off.
// A fault inside one goes on at the next.

#include <lastcpu/cpu.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <stdint.h>

namespace lastcpu {

/// The owner's work in its order. Some are skipped: the notifiers when there is a crash image to start, the jump when
/// there is none. A nested panic goes on behind the step that was begun last.
enum class step : uint32_t {
  none,
  report,     // Policy::report
  image,      // claim and check the crash image; Policy::no_crash_kernel when there is none to start
  expect,     // the stop report says "silent" of everybody
  commit,     // ask every other CPU to stop
  registers,  // the owner's own
  rung_0,     // the ways of asking, in turn
  rung_1,
  rung_2,
  rung_3,
  collect,         // the stop report is complete
  notifiers,       // Policy::notifiers, without an image only (or with crash_kexec_post_notifiers)
  message_dump,    // Policy::message_dump, likewise
  late_image,      // claim and check the crash image, with crash_kexec_post_notifiers
  notes,           // P::save_note for every CPU
  crash_shutdown,  // P::crash_shutdown
  jump,            // P::jump
  flush,           // Policy::flush
  restart,         // P::emergency_restart, after the delay
  halt,            // P::halt
};
inline constexpr uint32_t step_count = static_cast<uint32_t>(step::halt) + 1;
inline constexpr uint32_t max_rungs = 4;

[[nodiscard]] constexpr const char* to_string(step s) noexcept {
  constexpr const char* names[step_count] = {"none",           "report",    "image",        "expect",     "commit",
                                             "registers",      "rung 0",    "rung 1",       "rung 2",     "rung 3",
                                             "collect",        "notifiers", "message dump", "late image", "notes",
                                             "crash shutdown", "jump",      "flush",        "restart",    "halt"};
  return static_cast<uint32_t>(s) < step_count ? names[static_cast<uint32_t>(s)] : "?";
}

/// The panic, for whoever prints it. Pointers are valid while the step runs.
template <class Registers>
struct panic_info {
  cpu_id cpu;
  const char* message;         // never null
  const Registers* registers;  // null when none were saved
};

struct panic_policy {
  /// The ways of asking another CPU to stop, in turn; each only for those that the last one has not reached.
  static constexpr rung rungs[] = {{stop_how::irq, 1'000'000}, {stop_how::nmi, 1'000'000}};

  /// Bytes kept of each message, the closing zero included. A CPU has three; with their marks these fill six lines of
  /// the cache.
  static constexpr uint32_t message_bytes = 124;

  /// Notifiers and message dump run before the crash kernel is started; an oops alone does not start it then.
  static constexpr bool crash_kexec_post_notifiers = false;

  /// Without a crash kernel: restart after so long, or halt at once when false.
  static constexpr bool restarts = true;
  static constexpr uint32_t restart_delay_us = 0;

  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {}
  /// A panic ends without a crash kernel; `why` is a kexec_outcome: no_image, image_busy or image_corrupt. Called in
  /// the step that asked for the image.
  template <class Outcome>
  static void no_crash_kernel(Outcome /*why*/) noexcept {}
  template <class Report>
  static void notifiers(const Report&) noexcept {}
  template <class Domain>
  static void message_dump(const Domain&) noexcept {}
  static void flush() noexcept {}
};

}  // namespace lastcpu
