// SPDX-License-Identifier: BSL-1.0
#pragma once
// The steps of the ladder: their order, their names, and the phase of the gate that each needs.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/gate_word.hpp>

#include <stdint.h>

namespace lastcpu {

/// The owner's work, in order. A nested panic goes on after the step that was begun last.
enum class step : uint8_t {
  none,              ///< no step was begun
  report,            ///< Policy::report
  image,             ///< reserve the crash image
  expect,            ///< set the stop report to `silent` for every other CPU
  commit,            ///< the gate is `dumping`: every other CPU is asked to stop
  registers,         ///< save the owner's own
  rung_0,            ///< Policy::rungs, in turn
  rung_1,            ///< the second one
  rung_2,            ///< the third one
  rung_3,            ///< the fourth one
  collect,           ///< the stop report is complete
  check,             ///< check the reserved image, and claim it
  check_again,       ///< the same, where a fault has cut the check off
  words,             ///< the kernel prints in its own words, between panic_begin() and panic_end()
  summary,           ///< Policy::summary for every CPU, where there is one
  summary_again,     ///< the CPUs that are left, where a fault has cut it off
  notifiers,         ///< Policy::notifiers, where no image is claimed
  message_dump,      ///< Policy::message_dump, likewise
  late_image,        ///< reserve an image that could not be reserved before, or had to wait for the notifiers
  late_check,        ///< check that one, and claim it
  late_check_again,  ///< the same, where a fault has cut the check off
  no_kernel,         ///< Policy::no_crash_kernel
  notes,             ///< P::save_note for every CPU
  crash_shutdown,    ///< P::crash_shutdown
  jump,              ///< P::jump
  flush,             ///< Policy::flush
  delay,             ///< Policy::restart_delay_us
  restart,           ///< P::emergency_restart
  halt,              ///< P::halt
};

/// How many steps there are, `none` included.
inline constexpr uint32_t step_count = static_cast<uint32_t>(step::halt) + 1;
static_assert(step_count <= uint32_t{1} << gate_word::step_bits);

/// The phase that the exchange which begins the step brings the gate to.
[[nodiscard]] constexpr phase phase_needed_by(step s) noexcept {
  return s == step::jump ? phase::jumping : s >= step::commit ? phase::dumping : phase::panicking;
}

/// A name to print; "?" for a value that is none of these, never null.
[[nodiscard]] constexpr const char* to_string(step s) noexcept {
  constexpr const char* names[step_count] = {
      "none",      "report",        "image",          "expect",       "commit",     "registers",   "rung 0",
      "rung 1",    "rung 2",        "rung 3",         "collect",      "check",      "check again", "words",
      "summary",   "summary again", "notifiers",      "message dump", "late image", "late check",  "late check again",
      "no kernel", "notes",         "crash shutdown", "jump",         "flush",      "delay",       "restart",
      "halt"};
  return static_cast<uint32_t>(s) < step_count ? names[static_cast<uint32_t>(s)] : "?";
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
