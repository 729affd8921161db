// SPDX-License-Identifier: BSL-1.0
#pragma once
// Types about CPUs that platforms and primitives share: numbers, sets, how a CPU is stopped, what became of it.
// Plain values: nothing here is atomic.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

/// CPU exclusion for the end of a machine: one winner, every other CPU stopped, no panic lost.
namespace lastcpu {

/// A CPU's number: small and dense, 0 .. P::max_cpus-1.
using cpu_id = uint32_t;

/// "Not a CPU". From a port every value from P::max_cpus on means the same.
inline constexpr cpu_id no_cpu = 0xffff'ffffu;

/// A set of the CPUs 0 .. N-1. For a number outside, add() and contains() answer false.
template <cpu_id N>
class cpu_set {
 public:
  /// Empty.
  cpu_set() noexcept {
    // volatile: a compiler may not turn the loop into a call of memset, which a kernel may lack.
    for (uint32_t i = 0; i < words; ++i) static_cast<volatile uint32_t&>(bits_[i]) = 0;
  }

  /// Makes `cpu` a member.
  constexpr bool add(cpu_id cpu) noexcept {
    if (cpu >= N) return false;
    bits_[cpu / 32] |= mask(cpu);
    return true;
  }
  /// Whether `cpu` is a member.
  [[nodiscard]] constexpr bool contains(cpu_id cpu) const noexcept {
    return cpu < N && (bits_[cpu / 32] & mask(cpu)) != 0;
  }
  /// Whether it has no member.
  [[nodiscard]] constexpr bool empty() const noexcept {
    for (uint32_t i = 0; i < words; ++i)
      if (bits_[i] != 0) return false;
    return true;
  }
  /// Calls `f(cpu)` for each member in ascending order.
  template <class F>
  constexpr void for_each(F&& f) const noexcept {
    for (cpu_id cpu = 0; cpu < N; ++cpu) {
      if (bits_[cpu / 32] == 0) {
        cpu |= 31;
      } else if (contains(cpu)) {
        f(cpu);
      }
    }
  }

 private:
  static constexpr uint32_t words = (N + 31) / 32;
  [[nodiscard]] static constexpr uint32_t mask(cpu_id cpu) noexcept { return uint32_t{1} << (cpu % 32); }
  uint32_t bits_[words];
};

/// The deadline of a wait that has none.
inline constexpr uint64_t no_deadline = ~uint64_t{0};

/// How a running CPU is stopped.
enum class stop_how : uint32_t {
  irq,     ///< asked by an ordinary interrupt
  nmi,     ///< asked by an NMI
  forced,  ///< taken away without its help, by P::force_stop()
};

/// Why P::wake() wakes the CPUs that wait on a word. A port may leave some of them asleep for some reasons.
enum class wake_reason : uint32_t {
  answered,   ///< a CPU has acknowledged its stop, and the owner may wait for that
  handed_on,  ///< the gate was given back, or is held for good now: a loser may have to act
  committed,  ///< the owner has committed: losers have nothing to do but park, and may sleep on
  ending,     ///< the owner ends the machine: losers that sleep run their hook now, and park
};

/// What became of a CPU.
enum class stop_state : uint32_t {
  absent,   ///< was not online at the crash
  running,  ///< the owner of the gate
  parked,   ///< a loser that has stopped itself
  by_irq,   ///< stopped by an ordinary interrupt
  by_nmi,   ///< stopped by an NMI: it may hold any lock
  forced,   ///< stopped without its help: no registers are saved
  silent,   ///< was asked and has not acknowledged: may still be running
  gone,     ///< went offline before it could be stopped
};

namespace detail {
// At namespace scope: a table inside the function costs a call of memcpy with gcc for RISC-V.
constexpr const char* const stop_state_names[] = {"absent", "running", "parked", "by irq",
                                                  "by nmi", "forced",  "silent", "gone"};
}  // namespace detail

/// A name to print; "?" for a value that is none of these, never null.
[[nodiscard]] constexpr const char* to_string(stop_state s) noexcept {
  constexpr uint32_t names = sizeof detail::stop_state_names / sizeof *detail::stop_state_names;
  return static_cast<uint32_t>(s) < names ? detail::stop_state_names[static_cast<uint32_t>(s)] : "?";
}

/// What the crash kernel is told about one CPU. A text that there is none of is empty, not null.
template <class Registers>
struct cpu_note {
  cpu_id cpu;                  ///< no_cpu: one without a number
  stop_state state;            ///< what became of it
  bool crashing;               ///< this CPU owns the gate
  const Registers* registers;  ///< null: none were saved
  const char* message;         ///< of its panic in thread or irq context
  const char* nmi_message;     ///< of its panic in NMI context
  const char* nested_message;  ///< of a panic inside its panic
  bool cut_short;              ///< a text was still being written when this was read
  uint64_t panic_ticks = 0;    ///< P::now() when the owner began, with P::save_note() only; 0: unknown
};

/// What P::trace() is told of; behind each, what trace_event::value is there. Elsewhere it is 0.
enum class trace_kind : uint32_t {
  claim_won,      ///< value: gate phase after it
  claim_lost,     ///< value: holder
  pending_set,    ///< an NMI panic has set `pending` on this CPU's trial
  released,       ///< a trial was given back
  pending_taken,  ///< a trial has become the pending panic
  committed,      ///< every other CPU is asked to stop from here on
  step_begun,     ///< value: lastcpu::step
  stop_sent,      ///< value: target CPU
  acknowledged,   ///< value: stop_state; comes just before the acknowledgement itself
  withdrawn,      ///< this loser has won the gate after all
  parked,         ///< this CPU parks for good
};

/// A name to print; "?" for a value that is none of these, never null.
[[nodiscard]] constexpr const char* to_string(trace_kind k) noexcept {
  constexpr const char* names[] = {"claim_won",     "claim_lost", "pending_set", "released",
                                   "pending_taken", "committed",  "step_begun",  "stop_sent",
                                   "acknowledged",  "withdrawn",  "parked"};
  return static_cast<uint32_t>(k) < sizeof names / sizeof *names ? names[static_cast<uint32_t>(k)] : "?";
}

/// One event of the timeline, for P::trace(): on the CPU that it is about, in that CPU's context.
struct trace_event {
  trace_kind kind;  ///< what happened
  cpu_id cpu;       ///< who did it; P::max_cpus and more: one without a number
  uint32_t value;   ///< as its kind says
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
