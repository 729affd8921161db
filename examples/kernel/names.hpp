// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu's enumerators, for people.

#include <lastcpu/cpu.hpp>

[[nodiscard]] inline const char* to_string(lastcpu::stop_state state) noexcept {
  constexpr const char* names[] = {"absent", "running", "parked", "by irq", "by nmi", "forced", "silent", "gone"};
  const auto i = static_cast<uint32_t>(state);
  return i < sizeof names / sizeof *names ? names[i] : "?";
}

[[nodiscard]] inline const char* to_string(lastcpu::trace_kind kind) noexcept {
  constexpr const char* names[] = {"claim_won",     "claim_lost", "pending_set", "released",
                                   "pending_taken", "committed",  "step_begun",  "stop_sent",
                                   "acknowledged",  "withdrawn",  "parked"};
  const auto i = static_cast<uint32_t>(kind);
  return i < sizeof names / sizeof *names ? names[i] : "?";
}
