// SPDX-License-Identifier: BSL-1.0
#pragma once
// One trial: a fresh machine is brought to one instruction of one stretch, something happens to it there, it runs to
// its end.

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <vector>

#include "stepped_child.hpp"
#include "tracee.hpp"

namespace nmi_step {

/// Who held the gate when it happened.
enum class moment : uint32_t { open, trial, panicking, committed, of_another };
inline constexpr const char* moment_names[] = {"gate open", "held on trial", "panicking", "committed",
                                               "held by the other CPU"};
inline constexpr uint32_t moments = 5;

/// The instruction number `instruction` (from 0) behind anchor number `stretch`.
struct place {
  uint32_t stretch;
  uint32_t instruction;
};

struct happening {
  moment when;
  bool notes_begun;
  lastcpu::posix_registers registers;  // CPU 0's
  int status;                          // the end of the process
};

/// A new machine, not yet started.
inline void reset(const scenario& play) {
  static void* const memory =
      mmap(nullptr, sizeof(shared_memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    abort();
  }
  auto* const fresh = new (memory) shared_memory{};
  shared = &fresh->facts;
  machine = &fresh->machine;
  shared->play = play;
}

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

[[nodiscard]] inline bool bring_to_anchor(tracee& cpu_0) {
  const bool there = cpu_0.await_first_stop();
  shared->stop_at = never;
  return there;
}

/// The addresses of a stretch's instructions; empty when the play is over at its anchor, or CPU 1 has ended it before. Nothing
/// when the machine died on the way.
[[nodiscard]] inline std::optional<std::vector<uint64_t>> record(const scenario& play, uint32_t stretch) {
  reset(play);
  shared->stop_at = stretch;
  tracee cpu_0(live_as_cpu_0);
  std::vector<uint64_t> addresses;
  const bool came_there = bring_to_anchor(cpu_0);
  if (!came_there && (!WIFEXITED(cpu_0.status()) || WEXITSTATUS(cpu_0.status()) != 0)) return std::nullopt;
  if (!came_there || shared->over != 0) return addresses;
  do {
    addresses.push_back(cpu_0.registers().pc);
  } while (cpu_0.step() && shared->anchors <= stretch + 1);
  return addresses;
}

/// The middle one of three by length: where CPU 1 was slow for once, CPU 0's stretch is longer than it will be in trials.
/// Nothing when the machine has died on the way again and again.
[[nodiscard]] inline std::optional<std::vector<uint64_t>> typical_record(const scenario& play, uint32_t stretch) {
  std::vector<std::vector<uint64_t>> all;
  for (uint32_t attempts = 0; attempts < 10 && all.size() < 3; ++attempts)
    if (std::optional<std::vector<uint64_t>> one = record(play, stretch); one.has_value()) all.push_back(*one);
  if (all.size() < 3) return std::nullopt;
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  return all[1];
}

/// The instructions of a stretch that are tried: one that comes more than twice, the first time, the second and the last.
[[nodiscard]] inline std::vector<uint32_t> worth_a_trial(const std::vector<uint64_t>& addresses) {
  std::map<uint64_t, std::vector<uint32_t>> times;
  for (uint32_t i = 0; i < addresses.size(); ++i) times[addresses[i]].push_back(i);
  std::vector<uint32_t> worth;
  for (const auto& [address, when] : times) {
    worth.push_back(when.front());
    if (when.size() > 2) worth.push_back(when[1]);
    if (when.size() > 1) worth.push_back(when.back());
  }
  std::sort(worth.begin(), worth.end());
  return worth;
}

/// Stops CPU 0 before the instruction. It goes at full speed to the last address before it that comes only once up to
/// there, then by steps. False when the machine took another way this time: CPU 1 is not stepped and has its own pace.
[[nodiscard]] inline bool bring_to(tracee& cpu_0, const std::vector<uint64_t>& addresses, uint32_t instruction) {
  if (!bring_to_anchor(cpu_0)) return false;
  const auto comes_before = [&](uint32_t i) {
    const auto end = addresses.begin() + i;
    return std::find(addresses.begin(), end, addresses[i]) != end;
  };
  uint32_t from = instruction;
  while (from > 0 && comes_before(from)) --from;
  if (from > 0 && !cpu_0.run_to(addresses[from])) return false;
  for (; from < instruction; ++from)
    if (!cpu_0.step()) return false;
  return cpu_0.registers().pc == addresses[instruction];
}

/// The slow way, which goes wherever the machine goes. False when the stretch is shorter this time.
[[nodiscard]] inline bool step_to(tracee& cpu_0, place at) {
  if (!bring_to_anchor(cpu_0)) return false;
  for (uint32_t i = 0; i < at.instruction; ++i)
    if (!cpu_0.step() || shared->anchors > at.stretch + 1) return false;
  return true;
}

[[nodiscard]] inline happening let_happen(const scenario& play, tracee& cpu_0) {
  happening h{};
  if (play.before == intruder::rival_panic) h = look_at(cpu_0);
  if (panics_by_rival(play)) let_rival_panic();
  if (play.before != intruder::rival_panic) h = look_at(cpu_0);
  cpu_0.let_go(play.before == intruder::rival_panic ? 0 : SIGUSR2);
  h.status = cpu_0.status();
  return h;
}

/// Nothing when the instruction was not reached.
[[nodiscard]] inline std::optional<happening> run_trial(const scenario& play, const std::vector<uint64_t>& addresses,
                                                        place at) {
  for (const bool fast : {true, false}) {
    reset(play);
    shared->stop_at = at.stretch;
    tracee cpu_0(live_as_cpu_0);
    if (fast ? bring_to(cpu_0, addresses, at.instruction) : step_to(cpu_0, at)) return let_happen(play, cpu_0);
  }
  return std::nullopt;
}

}  // namespace nmi_step
