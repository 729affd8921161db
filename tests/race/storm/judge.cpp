// SPDX-License-Identifier: BSL-1.0
#include "judge.hpp"

#include "storm_platform.hpp"
#include "timeline.hpp"

#include <lastcpu/crash_kexec.hpp>

#include <sys/wait.h>

#include "../../support/trace_promises.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace storm {
namespace {

using lastcpu::stop_state;

[[nodiscard]] bool fired(fault_point p) noexcept {
  return (area->faults_fired.load(order::relaxed) >> static_cast<uint32_t>(p) & 1) != 0;
}

[[nodiscard]] cpu_state state_of(const cpu_area& c) noexcept {
  return static_cast<cpu_state>(c.state.load(order::relaxed));
}

struct span_of_time {
  uint64_t from, to;
};

/// Calls f(entry, its successor or null) for each entry of each CPU.
template <class F>
void for_each_entry(F f) {
  for (const cpu_area& c : area->cpu) {
    const uint32_t n = std::min(c.events.load(order::relaxed), log_length);
    for (uint32_t i = 0; i < n; ++i) f(c.log[i], i + 1 < n ? &c.log[i + 1] : nullptr);
  }
}

/// The image was being replaced while the ladder looked for it.
[[nodiscard]] bool image_was_busy() noexcept {
  span_of_time look{0, 0};
  for_each_entry([&](const log_entry& e, const log_entry* next) {
    if (e.what == event::step_begun && e.value == static_cast<uint32_t>(lastcpu::step::image))
      look = {e.ns, next != nullptr ? next->ns : ~uint64_t{0}};
  });
  bool busy = false;
  for_each_entry([&](const log_entry& e, const log_entry* next) {
    if (e.what == event::loads_image) busy = busy || (e.ns <= look.to && (next == nullptr || next->ns >= look.from));
  });
  return busy;
}

[[nodiscard]] bool anybody_panicked() noexcept {
  return std::any_of(std::begin(area->cpu), std::end(area->cpu),
                     [](const cpu_area& c) { return c.panics.load(order::relaxed) != 0; });
}

[[nodiscard]] bool an_oops_lives_on() noexcept {
  return std::any_of(std::begin(area->cpu), std::end(area->cpu), [](const cpu_area& c) {
    return state_of(c) == cpu_state::idle && c.oopses.load(order::relaxed) != 0;
  });
}

// lastcpu's notes: everybody is in them, stopped, with registers and words.
void check_note(cpu_id cpu) noexcept {
  const note& n = area->notes[cpu];
  const uint32_t panics = area->cpu[cpu].panics.load(order::relaxed);
  if (n.present == 0) {
    if (!fired(fault_point::save_note)) note_wrong(wrong::registers_lost);
    return;
  }
  const bool silent = n.state == stop_state::silent;
  if (silent && !fired(fault_point::send_irq) && !fired(fault_point::send_nmi)) note_wrong(wrong::silent_cpu);
  if (n.registers == 2 || (n.registers == 0 && !silent)) note_wrong(wrong::registers_lost);
  if (n.state == stop_state::parked && (n.texts & panics) == 0) note_wrong(wrong::message_lost);
  if ((n.crashing != 0 && n.texts == 0) || (n.due & ~n.texts) != 0) note_wrong(wrong::message_lost);
}

// What the trace shows of the promises; empty: it breaks none. All logs are merged by the one clock that stamped them.
[[nodiscard]] std::string broken_promise(trial_end end) {
  for (const cpu_area& c : area->cpu)
    if (c.events.load(order::relaxed) > log_length) return "a CPU has more events than its log has room for";
  lastcpu::test::trace_promises<cpu_count> promises;
  cpu_id ended_by = lastcpu::no_cpu;
  for (const line& l : merged()) {
    if (l.e.what == event::dump_begins || l.e.what == event::restarts || l.e.what == event::halts) ended_by = l.cpu;
    if (l.e.what > event::parked) continue;
    const char* broken = promises.see({static_cast<lastcpu::trace_kind>(l.e.what), l.cpu, l.e.value});
    if (broken != nullptr) return broken + (" (CPU " + std::to_string(l.cpu) + ")");
  }
  const char* broken = end == trial_end::at_rest ? promises.end_at_rest() : promises.end_by(ended_by);
  return broken == nullptr ? "" : broken;
}

// The specimens' notes: registers and answers; they keep nobody's words.
void check_specimen_note(cpu_id cpu) noexcept {
  const note& n = area->notes[cpu];
  if (n.present == 0) return;
  if (n.state == stop_state::silent) note_wrong(wrong::silent_cpu);
  if (n.registers != 1) note_wrong(wrong::registers_lost);
}

[[nodiscard]] std::string describe_wrongs(uint32_t bits) {
  static constexpr const char* names[wrong_count] = {"two dumps",
                                                     "went on without owning the gate",
                                                     "a stopped CPU ran on",
                                                     "a CPU is silent",
                                                     "a message lost",
                                                     "registers lost",
                                                     "a stop sent to a parked CPU",
                                                     "a torn image",
                                                     "stop_others() changed its answer",
                                                     "a stop without a commit",
                                                     "interrupts left off",
                                                     "two reports",
                                                     "a false reason",
                                                     "the owner still counts as stopped"};
  std::string out;
  for (uint32_t i = 0; i < wrong_count; ++i)
    if ((bits >> i & 1) != 0) out += (out.empty() ? "" : ", ") + std::string(names[i]);
  return out;
}

[[nodiscard]] verdict end_without_dump(const script& s, const char* how) {
  const uint32_t refusals = area->refusals.load(order::relaxed);
  if (s.image && (refusals >> static_cast<uint32_t>(lastcpu::kexec_outcome::no_image) & 1) != 0)
    note_wrong(wrong::false_reason);
  const bool allowed = !s.image || (refusals >> static_cast<uint32_t>(lastcpu::kexec_outcome::image_busy) & 1) != 0 ||
                       image_was_busy() || fired(fault_point::image_check) || fired(fault_point::jump);
  if (allowed) return {outcome::completed, ""};
  return {outcome::lost, std::string(how) + " without the dump"};
}

[[nodiscard]] verdict end_at_rest(const script& s) {
  const bool all_idle = std::all_of(std::begin(area->cpu), std::end(area->cpu),
                                    [](const cpu_area& c) { return state_of(c) == cpu_state::idle; });
  if (all_idle && !anybody_panicked()) return end_without_dump(s, "life goes on");
  if (all_idle || an_oops_lives_on()) return {outcome::lost, "a panic was called and life goes on"};
  return {outcome::hung, "nobody is left to finish"};
}

[[nodiscard]] verdict from_process(const script& s, const process_end& p) {
  if (!p.in_time) return {outcome::hung, "not at its end after a long time"};
  if (WIFSIGNALED(p.wait_status)) return {outcome::died, "killed by signal " + std::to_string(WTERMSIG(p.wait_status))};
  switch (static_cast<trial_end>(WEXITSTATUS(p.wait_status))) {
    case trial_end::dump:
      return {outcome::completed, ""};
    case trial_end::restart:
      return end_without_dump(s, "restarted");
    case trial_end::halt:
      return end_without_dump(s, "halted");
    case trial_end::at_rest:
      return end_at_rest(s);
    case trial_end::broken:
      return {outcome::died, "the trial could not be set up"};
  }
  return {outcome::died, "exit status " + std::to_string(WEXITSTATUS(p.wait_status))};
}

}  // namespace

const char* to_string(outcome o) noexcept {
  static constexpr const char* names[outcome_count] = {"completed", "lost", "hung", "wrong", "died"};
  return names[static_cast<uint32_t>(o)];
}

verdict judge(design d, const script& s, const process_end& p) {
  verdict v = from_process(s, p);
  if (v.what != outcome::completed) return v;
  const auto end = static_cast<trial_end>(WEXITSTATUS(p.wait_status));
  std::string broken;
  if (is_lastcpu(d)) {
    broken = broken_promise(end);
    for (cpu_id cpu = 0; cpu < cpu_count && end != trial_end::at_rest; ++cpu) check_note(cpu);
  } else if (end == trial_end::dump) {
    for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) check_specimen_note(cpu);
  }
  const uint32_t wrongs = area->wrongs.load(order::relaxed);
  if (wrongs != 0) v = {outcome::wrong, describe_wrongs(wrongs)};
  if (!broken.empty()) v = {outcome::wrong, broken + (v.why.empty() ? "" : "; " + v.why)};
  return v;
}

}  // namespace storm
