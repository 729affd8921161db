// SPDX-License-Identifier: BSL-1.0
#pragma once
// One trial: a fresh machine is brought to one instruction of one stretch, something happens to it there, it runs to
// its end.

#include <signal.h>

#include <optional>

#include "approach.hpp"

namespace nmi_step {

/// Who held the gate when it happened.
enum class moment : uint32_t { open, trial, panicking, committed, of_another };
inline constexpr const char* moment_names[] = {"gate open", "held on trial", "panicking", "committed",
                                               "held by the other CPU"};
inline constexpr uint32_t moments = 5;

struct happening {
  moment when;
  bool notes_begun;
  lastcpu::posix_registers registers;  // CPU 0's
  int status;                          // the end of the process
};

[[nodiscard]] inline happening look_at(const tracee& cpu_0) {
  const lastcpu::gate_word gate = machine->gate().read();
  happening h{};
  h.when = gate.is_open()                          ? moment::open
           : gate.owner() != 0                     ? moment::of_another
           : gate.is_committed()                   ? moment::committed
           : gate.phase() == lastcpu::phase::trial ? moment::trial
                                                   : moment::panicking;
  h.notes_begun = gate.step() >= static_cast<uint32_t>(lastcpu::step::notes);
  h.registers = cpu_0.registers();
  return h;
}

/// Lets CPU 1 panic and waits until it has won or stopped.
inline void let_rival_panic() {
  set_and_wake(shared->go, 1);
  for (int i = 0; i < 10 * patience_s && shared->settled == 0; ++i) wait_while(shared->settled, 0);
}

[[nodiscard]] inline happening let_happen(const scenario& play, tracee& cpu_0) {
  shared->stop_at = never;
  happening h{};
  if (play.before == intruder::rival_panic) h = look_at(cpu_0);
  if (panics_by_rival(play)) let_rival_panic();
  if (play.before != intruder::rival_panic) h = look_at(cpu_0);
  cpu_0.let_go(play.before == intruder::rival_panic ? 0 : SIGUSR2);
  h.status = cpu_0.status();
  return h;
}

/// CPU 1 has come to a breakpoint that was meant for CPU 0.
[[nodiscard]] inline bool is_disturbed(const happening& h) {
  return WIFSIGNALED(h.status) && WTERMSIG(h.status) == SIGTRAP;
}

/// Nothing when the place was not reached. Where CPU 0 comes by less often than it did when it was stepped, its last visit
/// is meant; where it does not come by at all, or CPU 1 disturbs each attempt, it is stepped again.
[[nodiscard]] inline std::optional<happening> run_trial(const scenario& play, place at) {
  bool comes_by = false;
  for (uint32_t attempts = 0; attempts < 3; ++attempts) {
    tracee cpu_0(new_machine(play, at.stretch));
    approach way(cpu_0, at);
    if (way.by_breakpoints()) {
      const happening what = let_happen(play, cpu_0);
      if (!is_disturbed(what)) return what;
    } else if (way.visits() != 0 && way.has_ended()) {
      at.visit = way.visits();
      comes_by = true;
    }
  }
  const uint32_t patience = at.visit == 1 ? 2 : 1;
  if (!comes_by) at.visit = 1;
  for (uint32_t attempts = 0; attempts < patience; ++attempts) {
    tracee cpu_0(new_machine(play, at.stretch));
    if (approach(cpu_0, at).by_steps()) return let_happen(play, cpu_0);
  }
  return std::nullopt;
}

}  // namespace nmi_step
