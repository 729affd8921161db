// SPDX-License-Identifier: BSL-1.0
#pragma once
// The gate: when several CPUs die at once, it decides which of them goes on.
//
// Guarantee: at most one CPU holds it. One compare-exchange on one word decides, and its result says everything the
// caller may act on; nobody reads the word again to find out what the first read meant. Lock-free, no wait, no
// allocation; thread, irq and NMI context alike. After Linux's panic_cpu, whose releases and nested claims it makes
// explicit.
// Not here: how losers stop (self_stop.hpp), how the others are stopped (stop_cpus.hpp).

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/gate_word.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

/// What a claim asks for.
enum class hold : uint8_t {
  trial,  // may be given back: crash_kexec() on an oops
  final,  // a panic: is never given back
};

enum class claim_outcome : uint8_t {
  won,           // the caller holds the gate; if it held it on trial before, it now holds it for good
  mine_already,  // the caller held it before and interrupted or nested itself: nothing changed hands
  other,         // another CPU holds it: stop yourself, or return if yours was a trial
  refused,       // this_cpu() is not below max_cpus: nothing changed
};

/// The answer of one claim and the word that it was read from.
struct [[nodiscard]] claim_result {
  claim_outcome outcome;
  gate_word word;  // after the claim when won or pending was set, else what was seen

  [[nodiscard]] constexpr bool won() const noexcept { return outcome == claim_outcome::won; }
  [[nodiscard]] constexpr cpu_id holder() const noexcept { return word.owner(); }
  [[nodiscard]] constexpr lastcpu::phase phase() const noexcept { return word.phase(); }
  [[nodiscard]] constexpr uint32_t epoch() const noexcept { return word.epoch(); }
};

enum class release_outcome : uint8_t {
  released,       // open again; those who waited for it have been woken
  panic_pending,  // an NMI panicked here meanwhile: the caller holds the gate for good and must go on as that panic
  not_on_trial,   // the caller holds it for good: it can't be given back; nothing changed
  not_mine,       // the caller does not hold it; nothing changed
};

template <class P>
class panic_cpu {
  static_assert(platform_checked<P>);
  static_assert(P::max_cpus <= gate_word::cpu_capacity, "lastcpu: the gate word can't name that many CPUs");

 public:
  using word_type = typename P::template atomic<uintptr_t>;

  constexpr panic_cpu() noexcept = default;

  /// Claims the gate for this CPU. Interrupts off, or the caller may not migrate; any context, but see
  /// claim_from_nmi(). A final claim by the holder of a trial makes it final.
  /// (1) acquire on success and on failure: pairs with release (2), (3), so that the winner sees what the last holder
  /// did, and a loser what the holder published before it committed.
  claim_result claim(hold wanted) noexcept {
    return transition_from<order::acquire>([wanted](gate_word seen, cpu_id me) noexcept {
      const phase to = wanted == hold::final ? phase::panicking : phase::trial;
      if (seen.is_open()) return answer{claim_outcome::won, seen.taken_by(me, to), true};
      if (seen.owner() != me) return answer{claim_outcome::other, seen, false};
      if (wanted == hold::final && seen.phase() == phase::trial)
        return answer{claim_outcome::won, seen.with_phase(phase::panicking).with_pending(false), true};
      return answer{claim_outcome::mine_already, seen, false};
    });
  }

  /// The final claim of an NMI handler. Where the interrupted code holds the gate on trial it can't be taken from
  /// under it: the claim leaves `pending` (mine_already, word.pending()), and release() turns into the panic.
  /// acq_rel: relaxed would do, one CPU writes and reads it; acquire for the case that it wins.
  claim_result claim_from_nmi() noexcept {
    return transition_from<order::acq_rel>([](gate_word seen, cpu_id me) noexcept {
      if (seen.is_open()) return answer{claim_outcome::won, seen.taken_by(me, phase::panicking), true};
      if (seen.owner() != me) return answer{claim_outcome::other, seen, false};
      const bool mark = seen.phase() == phase::trial && !seen.pending();
      return answer{claim_outcome::mine_already, mark ? seen.with_pending(true) : seen, mark};
    });
  }

  /// Gives a trial hold back, in one exchange: what an NMI on this CPU changed meanwhile is part of the decision.
  /// (2) release: pairs with acquire (1). On failure relaxed: the word is this CPU's own until the exchange.
  [[nodiscard]] release_outcome release() noexcept {
    const cpu_id me = P::this_cpu();
    uintptr_t bits = word_.load(order::relaxed);
    for (;;) {
      const gate_word seen{bits};
      if (!seen.is_held_by(me)) return release_outcome::not_mine;
      if (seen.phase() != phase::trial) return release_outcome::not_on_trial;
      const bool pending = seen.pending();
      const gate_word next = pending ? seen.with_phase(phase::panicking).with_pending(false) : seen.released();
      if (!word_.compare_exchange(bits, next.bits(), order::release, order::relaxed)) continue;
      P::wake(word_);
      detail::trace<P>(pending ? trace_kind::pending_taken : trace_kind::released, me, 0);
      return pending ? release_outcome::panic_pending : release_outcome::released;
    }
  }

  /// Asks every other CPU to stop for good: the phase becomes `dumping`, and that is the whole request. False when
  /// this CPU does not hold the gate; nothing changed then. True as well when it was committed before.
  [[nodiscard]] bool commit() noexcept { return advance(0, phase::dumping) != progress::not_mine; }

  /// Begins step `number` of the holder's work, with one exchange; a step that was begun before, or one that a later
  /// one has overtaken, answers false and must not be run. `at_least` is the phase that the step needs.
  [[nodiscard]] bool begin_step(uint32_t number, lastcpu::phase at_least = phase::panicking) noexcept {
    return number != 0 && number < uint32_t{1} << gate_word::step_bits && advance(number, at_least) == progress::made;
  }

  /// The word as it is: one acquire load (pairs with (2), (3)). For decisions use one value, never two reads.
  [[nodiscard]] gate_word read() const noexcept { return gate_word{word_.load(order::acquire)}; }
  [[nodiscard]] bool in_progress() const noexcept { return !read().is_open(); }
  [[nodiscard]] bool on_this_cpu() const noexcept { return read().is_held_by(P::this_cpu()); }
  [[nodiscard]] bool on_other_cpu() const noexcept {
    const gate_word seen = read();
    return !seen.is_open() && seen.owner() != P::this_cpu();
  }

  /// For a machine that starts anew (the child of a fork): open, as if never used. No other CPU may be there yet.
  void forget() noexcept { word_.store(0, order::relaxed); }

  /// Sleeps while the word is `seen`; false once now() >= at.
  bool wait_while(gate_word seen, uint64_t at = no_deadline) const noexcept {
    return P::wait_while(word_, seen.bits(), at);
  }

 private:
  struct answer {
    claim_outcome outcome;
    gate_word next;
    bool changes;
  };
  enum class progress : uint8_t { made, none, not_mine };

  // A plain read comes first: a loser does not pull the line away from the holder.
  template <order Success, class Decide>
  [[gnu::always_inline]] claim_result transition_from(Decide decide) noexcept {
    const cpu_id me = P::this_cpu();
    uintptr_t bits = word_.load(order::acquire);
    if (me >= P::max_cpus) return {claim_outcome::refused, gate_word{bits}};
    for (;;) {
      const answer a = decide(gate_word{bits}, me);
      if (!a.changes || word_.compare_exchange(bits, a.next.bits(), Success, order::acquire)) {
        note(a, bits, me);
        return {a.outcome, a.next};
      }
    }
  }

  // (3) release: pairs with acquire (1) and read(): who sees `dumping` sees the report that was prepared before it.
  // acquire as well: one step sees what the step before it left, also where another CPU ran that.
  progress advance(uint32_t number, lastcpu::phase at_least) noexcept {
    const cpu_id me = P::this_cpu();
    uintptr_t bits = word_.load(order::relaxed);
    for (;;) {
      const gate_word seen{bits};
      if (!seen.is_held_by(me)) return progress::not_mine;
      gate_word next = seen.phase() < at_least ? seen.with_phase(at_least) : seen;
      if (number != 0 && number <= seen.step()) return progress::none;
      if (number != 0) next = next.with_step(number);
      if (next.bits() == bits) return progress::none;
      if (!word_.compare_exchange(bits, next.bits(), order::acq_rel, order::relaxed)) continue;
      if (next.is_committed() && !seen.is_committed()) {
        detail::trace<P>(trace_kind::committed, me, 0);
        P::wake(word_);
      }
      if (number != 0) detail::trace<P>(trace_kind::step_begun, me, number);
      return progress::made;
    }
  }

  [[gnu::always_inline]] static void note(const answer& a, uintptr_t before, cpu_id me) noexcept {
    if (a.outcome == claim_outcome::won)
      detail::trace<P>(trace_kind::claim_won, me, static_cast<uint32_t>(a.next.phase()));
    else if (a.outcome == claim_outcome::other)
      detail::trace<P>(trace_kind::claim_lost, me, a.next.owner());
    else if (a.next.bits() != before)
      detail::trace<P>(trace_kind::pending_set, me, 0);
  }

  word_type word_{};
};

}  // namespace lastcpu
