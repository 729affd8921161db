// SPDX-License-Identifier: BSL-1.0
#pragma once
// The promises as the trace shows them (docs/promises.md): what a sequence of trace events must never be. One checker
// for the scripted machine, the model, the stepped process, the storms and the boots: each feeds it with the events that
// it sees, in their order or in that of one clock.
//
// An event follows what it tells (or, of an answer and a request, comes before), so events of other CPUs, and of an NMI
// on the same CPU, may come between the two. No rule here takes that for a broken promise:
// - `released` may follow the next holder's `claim_won`, or never come: an NMI has stopped or taken the CPU there.
// - `pending_set` may come before the `claim_won` of its trial.
// - A CPU may answer twice: the second time in an NMI that has come before the first answer was stored.
// What is no event is not judged here: messages, registers, the report, memory orders.

#include <lastcpu/cpu.hpp>
#include <lastcpu/gate_word.hpp>
#include <lastcpu/step.hpp>

#include <stdint.h>

namespace lastcpu::test {

enum class events : uint16_t {
  all_told,
  some_missing,  // faults come between a change and its event, which is then never told, and in the loops of a loser
};

enum class answers : uint8_t {
  in_time,
  maybe_late,  // the owner may not know of one that was told: it reads old values, or did not wait, or took the CPU away
};

/// CPUs 0 .. N-1, and N for the one without a number. A plain value without padding: the model counts it as state.
template <cpu_id N>
class trace_promises {
 public:
  using sentence = const char*;  // the promise that is broken; null: none

  explicit constexpr trace_promises(events told = events::all_told) noexcept : told_(told) {}

  /// What is known so far, of events that are told so.
  [[nodiscard]] constexpr trace_promises with(events told) const noexcept {
    trace_promises out = *this;
    out.told_ = told;
    return out;
  }

  /// The next event. Once a promise is broken, what this says of further events means nothing.
  [[nodiscard]] constexpr sentence see(const trace_event& e) noexcept {
    // Of one of several CPUs without a number, which may all have this one.
    if (e.kind == trace_kind::parked && e.cpu >= N) return nullptr;
    if (e.cpu > N) return "promise 13: an event of a CPU that there is not";
    if (is(e.cpu, parked) && !may_follow_park(e)) return "promise 3: a CPU that has parked for good goes on";
    if (is_holder_event(e.kind)) return see_of_holder(e);
    return see_of_loser(e);
  }

  /// This CPU has jumped, restarted or halted the machine: what is missing.
  [[nodiscard]] constexpr sentence end_by(cpu_id cpu, answers come = answers::in_time) const noexcept {
    if (owner_ != 0 && owner_ != cpu + 1) return "promise 1: the machine is ended by a CPU that does not hold the gate";
    if (committed_ == 0) return "promise 1: the machine is ended, and nobody has committed";
    for (cpu_id c = 0; c <= N && come == answers::in_time; ++c)
      if (is(c, asked_in_vain)) return "promise 3: a stop was sent to a CPU that had parked before the rung began";
    return claims_fit();
  }

  /// Nothing happens any more, and nobody has ended the machine: what is missing.
  [[nodiscard]] constexpr sentence end_at_rest() const noexcept {
    if (committed_ != 0) return "promise 2: a CPU has committed, and nobody ends the machine";
    if (owner_ != 0) return "promise 2: a panic holds the gate, and nobody ends the machine";
    for (cpu_id c = 0; c <= N; ++c) {
      if (is(c, pending)) return "promise 2: the panic that an NMI left pending is lost";
      if (is(c, trial)) return "promise 14: the gate is not given back";
      if (is(c, parked)) return "promise 14: nobody has committed, and a CPU has parked for good";
      if (is(c, answered)) return "promise 14: nobody has committed, and a CPU counts as stopped";
    }
    return claims_fit();
  }

 private:
  enum of_cpu : uint16_t {
    trial = 1,             // holds the gate on trial
    leaving = 2,           // held it on trial; `released` may still come
    pending = 4,           // an NMI's panic waits for the end of the trial
    has_won = 8,           // at any time
    has_beaten = 16,       // a CPU has lost to this one
    answered = 32,         // counts as stopped
    parked = 64,           // for good
    answered_first = 128,  // ... and had answered before
    at_rest = 256,         // ... before the last step began
    asked = 512,           // to stop, in this step
    asked_in_vain = 1024,  // at rest, and asked to stop
    parked_early = 2048,   // before a commit was told
  };

  [[nodiscard]] constexpr bool is(cpu_id cpu, uint32_t what) const noexcept { return (cpu_[cpu] & what) != 0; }
  constexpr void set(cpu_id cpu, uint32_t what) noexcept { cpu_[cpu] = static_cast<uint16_t>(cpu_[cpu] | what); }
  constexpr void clear(cpu_id cpu, uint32_t what) noexcept { cpu_[cpu] = static_cast<uint16_t>(cpu_[cpu] & ~what); }
  [[nodiscard]] constexpr bool owns(cpu_id cpu) const noexcept { return owner_ == cpu + 1; }
  [[nodiscard]] constexpr bool is_on_a_rung() const noexcept {
    return step_ >= static_cast<uint32_t>(step::rung_0) && step_ <= static_cast<uint32_t>(step::rung_3);
  }

  // An NMI finds it parked, and stops it once more. Where losers park before the commit (bare_domain), its NMI may also
  // panic, and lose.
  [[nodiscard]] constexpr bool may_follow_park(const trace_event& e) const noexcept {
    if (e.kind == trace_kind::claim_lost) return is(e.cpu, parked_early) || told_ == events::some_missing;
    return e.kind == trace_kind::acknowledged || e.kind == trace_kind::parked;
  }

  [[nodiscard]] static constexpr bool is_holder_event(trace_kind k) noexcept {
    return k != trace_kind::claim_lost && k != trace_kind::acknowledged && k != trace_kind::parked;
  }

  [[nodiscard]] constexpr sentence see_of_holder(const trace_event& e) noexcept {
    switch (e.kind) {
      case trace_kind::claim_won:
        return see_claim_won(e.cpu, e.value);
      case trace_kind::pending_set:
        if (owns(e.cpu)) return "promise 4: an NMI's panic is pending on a gate that is held for good";
        return set(e.cpu, pending), nullptr;
      case trace_kind::released:
        return see_released(e.cpu);
      case trace_kind::pending_taken:
        if (!is(e.cpu, pending)) return "promise 4: a CPU goes on as the pending panic, and none is pending";
        return hold_for_good(e.cpu, "promise 1: a CPU goes on as the pending panic, and does not hold the gate");
      case trace_kind::committed:
        if (committed_ != 0) return "promise 1: a second commit";
        committed_ = 1;
        return hold_for_good(e.cpu, "promise 1: a CPU commits, and does not hold the gate");
      case trace_kind::step_begun:
        return see_step(e.cpu, e.value);
      case trace_kind::stop_sent:
        return see_stop_sent(e.cpu, e.value);
      case trace_kind::withdrawn:
        if (!owns(e.cpu)) return "promise 3: a CPU that has not won takes its answer back";
        if (!is(e.cpu, answered) && told_ == events::all_told)
          return "promise 3: a CPU takes back an answer that it has not given";
        return clear(e.cpu, answered), nullptr;
      default:
        return "promise 13: an event of no known kind";
    }
  }

  [[nodiscard]] constexpr sentence see_of_loser(const trace_event& e) noexcept {
    if (e.kind == trace_kind::claim_lost && (owns(e.cpu) || e.value == e.cpu))
      return "promise 4: the CPU that holds the gate is told that it has lost";
    if (e.kind == trace_kind::acknowledged && owns(e.cpu))
      return "promise 3: the CPU that holds the gate counts as stopped";
    if (e.kind == trace_kind::parked && owns(e.cpu)) return "promise 2: the CPU that holds the gate parks for good";
    if (is(e.cpu, pending)) return "promise 2: the panic that an NMI left pending is lost";
    if (is(e.cpu, trial)) leave(e.cpu);
    if (e.kind == trace_kind::claim_lost) return see_claim_lost(e.value);
    if (e.kind == trace_kind::acknowledged) return see_answer(e.cpu, static_cast<stop_state>(e.value));
    set(e.cpu, is(e.cpu, answered) ? parked | answered_first : parked);
    if (committed_ == 0) set(e.cpu, parked_early);
    return nullptr;
  }

  // It holds the gate when it tells so: whoever held it before on trial has given it back.
  [[nodiscard]] constexpr sentence see_claim_won(cpu_id cpu, uint32_t value) noexcept {
    if (owns(cpu)) return "promise 1: a CPU wins the gate that it holds for good";
    if (owner_ != 0) return "promise 1: a CPU wins the gate that another one holds for good";
    for (cpu_id other = 0; other <= N; ++other) {
      if (other == cpu) continue;
      if (is(other, pending)) return "promise 2: the panic that an NMI left pending is lost";
      if (is(other, trial)) leave(other);
    }
    const bool again = is(cpu, trial) && told_ == events::all_told;
    clear(cpu, leaving);
    set(cpu, trial | has_won);
    if (value == static_cast<uint32_t>(phase::panicking)) return hold_for_good(cpu, nullptr);
    if (value != static_cast<uint32_t>(phase::trial))
      return "promise 1: a claim brings the gate to a phase of no claim";
    return again ? "promise 1: a CPU wins on trial the gate that it holds on trial" : nullptr;
  }
  constexpr void leave(cpu_id cpu) noexcept {
    clear(cpu, trial);
    set(cpu, leaving);
  }

  [[nodiscard]] constexpr sentence see_released(cpu_id cpu) noexcept {
    if (owns(cpu)) return "promise 1: a gate that is held for good is given back";
    if (!is(cpu, trial | leaving) && told_ == events::all_told)
      return "promise 3: a CPU gives back a gate that it does not hold";
    if (is(cpu, pending)) return "promise 2: the panic that an NMI left pending is lost";
    clear(cpu, trial | leaving);
    return nullptr;
  }

  // On trial before, or for good already; without the event of its claim where some are missing.
  [[nodiscard]] constexpr sentence hold_for_good(cpu_id cpu, sentence otherwise) noexcept {
    if (owner_ != 0) return owns(cpu) ? nullptr : otherwise;
    if (!is(cpu, trial) && told_ == events::all_told) return otherwise;
    clear(cpu, trial | leaving | pending);
    set(cpu, has_won);
    owner_ = static_cast<uint16_t>(cpu + 1);
    return nullptr;
  }

  [[nodiscard]] constexpr sentence see_step(cpu_id cpu, uint32_t number) noexcept {
    if (sentence broken = hold_for_good(cpu, "promise 1: a CPU that does not hold the gate begins a step"))
      return broken;
    if (number <= step_) return "promise 7: a step begins twice, or in the wrong order";
    step_ = static_cast<uint16_t>(number);
    if (told_ == events::some_missing && number >= static_cast<uint32_t>(step::commit)) committed_ = 1;
    for (cpu_id c = 0; c <= N; ++c) {
      clear(c, asked);
      if (is(c, answered_first)) set(c, at_rest);
    }
    return nullptr;
  }

  [[nodiscard]] constexpr sentence see_stop_sent(cpu_id cpu, cpu_id target) noexcept {
    if (!owns(cpu) || committed_ == 0) return "promise 3: a CPU that has not committed sends a stop";
    if (target >= N) return "promise 13: a stop is sent to a CPU that there is not";
    if (target == cpu) return "promise 3: a CPU sends a stop to itself";
    if (step_ > static_cast<uint32_t>(step::collect)) return "promise 9: a stop is sent behind the collection";
    if (is(target, asked) && is_on_a_rung()) return "promise 9: a CPU is asked twice on one rung";
    set(target, is(target, at_rest) ? asked | asked_in_vain : asked);
    return nullptr;
  }

  [[nodiscard]] constexpr sentence see_claim_lost(cpu_id holder) noexcept {
    if (holder == no_cpu) return nullptr;  // a trial, of an open gate that a panic waits for
    if (holder > N) return "promise 13: a CPU has lost to one that there is not";
    set(holder, has_beaten);
    return nullptr;
  }

  // A second answer says that the first one was not stored: the owner could not know of it.
  [[nodiscard]] constexpr sentence see_answer(cpu_id cpu, stop_state how) noexcept {
    if (how != stop_state::parked && how != stop_state::by_irq && how != stop_state::by_nmi)
      return "promise 5: a CPU answers that it was stopped in a way in which none is";
    clear(cpu, asked_in_vain | at_rest | answered_first);
    set(cpu, answered);
    return nullptr;
  }

  [[nodiscard]] constexpr sentence claims_fit() const noexcept {
    for (cpu_id c = 0; c <= N && told_ == events::all_told; ++c)
      if (is(c, has_beaten) && !is(c, has_won)) return "promise 1: a CPU has lost to one that never held the gate";
    return nullptr;
  }

  events told_;
  uint16_t owner_ = 0;  // plus one; for good
  uint16_t committed_ = 0;
  uint16_t step_ = 0;  // begun last
  uint16_t cpu_[N + 1]{};
};

}  // namespace lastcpu::test
