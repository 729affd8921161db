// SPDX-License-Identifier: BSL-1.0
#pragma once
// The promises of the trace (support/trace_promises.hpp) in an exploration: what they know of a run belongs to its
// state.

#include <lastcpu/model/explore.hpp>

#include <cstring>

#include "support/trace_promises.hpp"

namespace lastcpu::test {

/// For a machine of N CPUs. It keeps what it knows in notes 13 to 15 of the scenario, which are then taken.
template <cpu_id N, events Told = events::all_told>
struct promises {
  // Not inline: what it works with would stay on the stack of the CPU, and tell equal states apart.
  [[gnu::noinline]] static void see(const trace_event& e) noexcept {
    trace_promises<N> known = load();
    const char* broken = known.see(e);
    std::memcpy(&model::note(first_note), &known, sizeof(known));
    if (broken != nullptr) model::require(false, broken);
  }
  [[gnu::noinline]] static void end(model::ending how, cpu_id by) noexcept {
    const model::options& asked = model::running().asked;
    const bool in_time = asked.stale == 0 && asked.time == model::deadlines::when_stuck;
    const answers come = in_time ? answers::in_time : answers::maybe_late;
    const char* broken = how == model::ending::quiet ? load().end_at_rest() : load().end_by(by, come);
    if (broken != nullptr) model::require(false, broken);
  }

 private:
  static constexpr uint32_t first_note = 13;
  static_assert(sizeof(trace_promises<N>) <= 3 * sizeof(uint64_t));

  // At first the notes are zero: nothing has been seen.
  [[nodiscard]] static trace_promises<N> load() noexcept {
    trace_promises<N> known;
    std::memcpy(static_cast<void*>(&known), &model::note(first_note), sizeof(known));
    return known.with(Told);
  }
};

}  // namespace lastcpu::test
