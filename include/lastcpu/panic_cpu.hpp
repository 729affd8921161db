// SPDX-License-Identifier: BSL-1.0
#pragma once
// The gate: when several CPUs die at once, it decides which of them goes on.
//
// Guarantee: at most one CPU holds the gate. One compare-exchange on one word decides, and its result says everything
// the caller may act on; nobody reads the word again to find out what the first read meant. Lock-free, no wait, no
// allocation; thread, irq and NMI context alike. After Linux's panic_cpu; here a release and a nested claim have an
// outcome of their own.
// Not here: how losers stop (self_stop.hpp), how the others are stopped (stop_cpus.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/gate_word.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

/// What a claim asks for.
enum class hold : uint8_t {
  trial,  ///< may be given back: crash_kexec() on an oops
  final,  ///< a panic: is never given back
};

/// What became of a claim.
enum class claim_outcome : uint8_t {
  won,    ///< the caller holds the gate; if it held it on trial before, it now holds it for good
  other,  ///< another CPU holds it: after a final claim stop this CPU, after a trial return. A trial is told so as
          ///< well when the gate is open and a panic waits for it; holder() is no_cpu then
  mine_already,  ///< the caller holds it already, from the code that it interrupted or that called it: nothing changed
  refused,       ///< this_cpu() is not below max_cpus: nothing changed
};

/// The outcome of one claim, and the word that it was decided on.
struct [[nodiscard]] claim_result {
  claim_outcome outcome;  ///< what the caller acts on
  gate_word word;         ///< as the claim left it, where it changed the word; else as the claim saw it

  /// The caller holds the gate by this claim.
  [[nodiscard]] constexpr bool won() const noexcept { return outcome == claim_outcome::won; }
  ///@{
  /// Of the word: who holds the gate (no_cpu: nobody), how far the holder has come, how many holds were given back
  /// before.
  [[nodiscard]] constexpr cpu_id holder() const noexcept { return word.owner(); }
  [[nodiscard]] constexpr lastcpu::phase phase() const noexcept { return word.phase(); }
  [[nodiscard]] constexpr uint32_t epoch() const noexcept { return word.epoch(); }
  ///@}
};

/// What became of a release.
enum class release_outcome : uint8_t {
  released,       ///< open again; those who waited for it have been woken
  panic_pending,  ///< an NMI panicked on this CPU meanwhile: the caller now holds the gate for good, and must go on as
                  ///< that panic
  not_on_trial,   ///< the caller holds it for good, and can't give it back: nothing changed
  not_mine,       ///< the caller does not hold it: nothing changed
};

/// What became of the beginning of a step.
enum class step_outcome : uint8_t {
  begun,         ///< the caller runs the step
  begun_before,  ///< this step or a later one was begun before: the caller must not run it
  not_mine,      ///< the caller does not hold the gate: nothing changed
};

/// The gate of one machine, usable alone; a crash_domain has one. Any context; the caller must not migrate between a
/// claim and its release. After Linux's panic_cpu.
template <class P>
class panic_cpu {
  static_assert(platform_checked<P>);
  static_assert(P::max_cpus < gate_word::cpu_capacity, "lastcpu: the gate word can't name that many CPUs");

 public:
  /// The shared word.
  using word_type = typename P::template atomic<uintptr_t>;

  /// Open. All zeros.
  constexpr panic_cpu() noexcept = default;

  /// Claims the gate for this CPU. Any context; an NMI handler calls claim_from_nmi().
  /// - The caller must not migrate: interrupts or preemption off.
  /// - A final claim by the holder of a trial makes the hold final.
  /// - A trial does not get an open gate that a panic waits for.
  /// (1) acquire on success and on failure: pairs with release (2), (3) and acq_rel (4). So the winner sees what the
  /// last holder did, and a loser what the holder published before it committed.
  claim_result claim(hold wanted) noexcept { return claim(wanted, numbered<P::max_cpus>{P::this_cpu()}); }

  /// The same for a caller that passes its own number: this CPU's, or P::max_cpus for the one CPU without a number that
  /// panics (place.hpp).
  [[gnu::always_inline]] claim_result claim(hold wanted, cpu_id me) noexcept {
    return wanted == hold::final ? claim_for_good(me) : claim(wanted, numbered<P::max_cpus + 1>{me});
  }

  ///@{
  /// The final claim of an NMI handler. It does not take the gate away from interrupted code that holds it on trial: it
  /// sets `pending` (the outcome is mine_already, with word.pending()), and release() then makes the hold final.
  /// (5) acq_rel: pairs with release (2), for a claim that wins. For `pending` relaxed would do, since one CPU writes
  /// and reads it. `me` as for claim().
  claim_result claim_from_nmi() noexcept { return claim_from_nmi(numbered<P::max_cpus>{P::this_cpu()}); }
  claim_result claim_from_nmi(cpu_id me) noexcept { return claim_from_nmi(numbered<P::max_cpus + 1>{me}); }
  ///@}

  /// Gives a trial hold back, in one exchange, so that what an NMI on this CPU changed meanwhile is part of the
  /// decision.
  /// (2) release: pairs with acquire (1), (6) and acq_rel (5). relaxed before it and on failure: only `pending` and
  /// `wanted` can have changed, and neither publishes anything.
  [[nodiscard]] release_outcome release() noexcept { return release(P::this_cpu()); }
  /// The same for a caller that passes its own number.
  [[nodiscard, gnu::always_inline]] release_outcome release(cpu_id me) noexcept {
    uintptr_t bits = word_.load(order::relaxed);
    while (me < P::max_cpus && gate_word{bits}.is_trial_of(me)) {
      const gate_word next = gate_word{bits}.released();
      if (!word_.compare_exchange(bits, next.bits(), order::release, order::relaxed)) continue;  // (2)
      P::wake(word_, wake_reason::handed_on);
      detail::trace<P>(trace_kind::released, me, 0);
      return release_outcome::released;
    }
    return stay(bits, me);
  }

  /// Says that a panic waits for the trial `seen` of another CPU: release() then opens the gate to panics only, so that
  /// no panic waits behind a second trial. False when the word is no longer `seen`; nothing changed then.
  /// relaxed: it publishes nothing.
  [[nodiscard]] bool want(gate_word seen) noexcept {
    uintptr_t bits = seen.bits();
    return word_.compare_exchange(bits, seen.with_wanted().bits(), order::relaxed, order::relaxed);
  }

  /// Asks every other CPU to stop for good: the phase becomes `dumping`, and that is the whole request. False when this
  /// CPU does not hold the gate; nothing changed then. True also when it has committed before. acq_rel: who sees the
  /// phase sees what this CPU did before.
  [[nodiscard]] bool commit() noexcept { return advance(0, phase::dumping, P::this_cpu()) != step_outcome::not_mine; }

  /// Begins step `number` of the holder's work, with one exchange, which also brings the gate to the phase `at_least`.
  /// `me` is the caller's own number, as for claim(). acq_rel, as commit(). A number that the word has no room for is
  /// answered by begun_before.
  [[nodiscard]] step_outcome begin_step(uint32_t number, lastcpu::phase at_least = phase::panicking,
                                        cpu_id me = P::this_cpu()) noexcept {
    if (number == 0 || number >= uint32_t{1} << gate_word::step_bits) return step_outcome::begun_before;
    return advance(number, at_least, me);
  }

  /// The word as it is. Decide on the value of one read, never of two.
  /// (6) acquire: pairs with release (2), (3) and acq_rel (4).
  [[nodiscard, gnu::always_inline]] gate_word read() const noexcept { return gate_word{word_.load(order::acquire)}; }

  ///@{
  /// One acquire load: whether the gate is held, and whether by this CPU or by another one. Any context. A CPU without
  /// a number asks crash_path::on_this_cpu() and on_other_cpu(), which know it.
  [[nodiscard]] bool in_progress() const noexcept { return !read().is_open(); }
  [[nodiscard]] bool on_this_cpu() const noexcept { return read().is_held_by(P::this_cpu()); }
  [[nodiscard]] bool on_other_cpu() const noexcept {
    const gate_word seen = read();
    if (seen.is_open()) [[likely]]
      return false;
    return !seen.is_held_by(P::this_cpu());
  }
  ///@}

  /// For the owner, before it ends the machine: wakes the losers that slept through the commit, so that they park for
  /// good.
  void wake_losers() const noexcept { P::wake(word_, wake_reason::ending); }

  /// Sleeps while the word is `seen`; false once now() >= `at`, in ticks. May return early.
  bool wait_while(gate_word seen, uint64_t at = no_deadline) const noexcept {
    return P::wait_while(word_, seen.bits(), at);
  }

 private:
  // Who claims: numbers from `Limit` on are refused.
  template <cpu_id Limit>
  struct numbered {
    cpu_id me;
  };

  template <cpu_id Limit>
  [[gnu::always_inline]] claim_result claim(hold wanted, numbered<Limit> who) noexcept {
    const phase to = wanted == hold::final ? phase::panicking : phase::trial;
    return claim_as<order::acquire>(  // (1)
        to, who, [this, wanted](uintptr_t bits, cpu_id me) noexcept {
          if (wanted == hold::final) return claim_again(bits, me);
          return claim_result{claim_outcome::mine_already, gate_word{bits}};
        });
  }
  // Out of line: a panic claims in more than one place.
  claim_result claim_for_good(cpu_id me) noexcept {
    return claim_as<order::acquire>(  // (1)
        phase::panicking, numbered<P::max_cpus + 1>{me},
        [this](uintptr_t bits, cpu_id who) noexcept { return claim_again(bits, who); });
  }
  template <cpu_id Limit>
  [[gnu::always_inline]] claim_result claim_from_nmi(numbered<Limit> who) noexcept {
    return claim_as<order::acq_rel>(  // (5)
        phase::panicking, who, [this](uintptr_t bits, cpu_id me) noexcept { return leave_pending(bits, me); });
  }

  // A plain read comes first, so that a loser does not pull the cache line away from the holder. `again` gives the
  // answer where this CPU is the holder.
  template <order Success, cpu_id Limit, class Again>
  [[gnu::always_inline]] claim_result claim_as(lastcpu::phase to, numbered<Limit> who, Again again) noexcept {
    const cpu_id me = who.me;
    uintptr_t bits = word_.load(order::acquire);  // (1)
    if (me >= Limit) [[unlikely]]
      return {claim_outcome::refused, gate_word{bits}};
    while (to == phase::trial ? gate_word{bits}.is_open_to_trials() : gate_word{bits}.is_open()) {
      const gate_word next = gate_word{bits}.taken_by(me, to);
      if (!word_.compare_exchange(bits, next.bits(), Success, order::acquire)) [[unlikely]]  // (1)
        continue;
      detail::trace<P>(trace_kind::claim_won, me, static_cast<uint32_t>(to));
      return {claim_outcome::won, next};
    }
    if (gate_word{bits}.owner() == me) [[unlikely]]
      return again(bits, me);
    detail::trace<P>(trace_kind::claim_lost, me, gate_word{bits}.owner());
    return {claim_outcome::other, gate_word{bits}};
  }

  // For the holder. Only an NMI on this CPU, and a panic that sets `wanted`, can change the word now. If the exchange
  // fails, retry with the value it returned. The same holds for leave_pending() and stay().
  claim_result claim_again(uintptr_t bits, cpu_id me) noexcept {
    while (gate_word{bits}.with_pending(false).is_trial_of(me)) {
      const gate_word next = gate_word{bits}.made_final();
      if (!word_.compare_exchange(bits, next.bits(), order::acquire, order::acquire)) continue;  // (1)
      detail::trace<P>(trace_kind::claim_won, me, static_cast<uint32_t>(phase::panicking));
      return {claim_outcome::won, next};
    }
    return {claim_outcome::mine_already, gate_word{bits}};
  }

  claim_result leave_pending(uintptr_t bits, cpu_id me) noexcept {
    while (gate_word{bits}.is_trial_of(me)) {
      const gate_word next = gate_word{bits}.with_pending(true);
      if (!word_.compare_exchange(bits, next.bits(), order::acq_rel, order::acquire)) continue;  // (5)
      detail::trace<P>(trace_kind::pending_set, me, 0);
      return {claim_outcome::mine_already, next};
    }
    return {claim_outcome::mine_already, gate_word{bits}};
  }

  // What release() does when it does not open the gate.
  // (3) release: pairs with acquire (1), (6). Who sees the hold final sees what its holder did on trial.
  [[gnu::cold]] release_outcome stay(uintptr_t bits, cpu_id me) noexcept {
    if (!gate_word{bits}.is_held_by(me)) return release_outcome::not_mine;
    while (gate_word{bits}.phase() == phase::trial) {
      const gate_word next = gate_word{bits}.made_final();
      if (!word_.compare_exchange(bits, next.bits(), order::release, order::relaxed)) continue;  // (3)
      P::wake(word_, wake_reason::handed_on);
      detail::trace<P>(trace_kind::pending_taken, me, 0);
      return release_outcome::panic_pending;
    }
    return release_outcome::not_on_trial;
  }

  // (4) acq_rel: pairs with acquire (1), (6) and acq_rel (4). release: who sees `dumping` sees the report that was
  // prepared before it. acquire: a step sees what the step before it left, also where another CPU ran that. relaxed
  // before it and on failure: nothing but the word is read on what they return.
  [[gnu::always_inline]] step_outcome advance(uint32_t number, lastcpu::phase at_least, cpu_id me) noexcept {
    uintptr_t bits = word_.load(order::relaxed);
    for (;;) {
      const gate_word seen{bits};
      if (!seen.is_held_by(me)) return step_outcome::not_mine;
      if (number != 0 ? number <= seen.step() : seen.phase() >= at_least) return step_outcome::begun_before;
      const gate_word next = seen.moved_on_to(at_least, number);
      if (!word_.compare_exchange(bits, next.bits(), order::acq_rel, order::relaxed)) continue;  // (4)
      if (next.is_committed() && !seen.is_committed()) {
        detail::trace<P>(trace_kind::committed, me, 0);
        P::wake(word_, wake_reason::committed);
      }
      if (number != 0) detail::trace<P>(trace_kind::step_begun, me, number);
      return step_outcome::begun;
    }
  }

  word_type word_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
