// SPDX-License-Identifier: BSL-1.0
#pragma once
// CPUs that this_cpu() does not know. The first one that panics takes the place: it uses P::max_cpus as its number, and
// goes down the same ladder behind the same gate. A CPU that finds the place taken keeps its message in a spare text.
//
// Guarantee: at most one CPU has the place at a time. P::hardware_id() tells such CPUs apart. A CPU keeps the place to
// the end of the machine, or until adopt_this_cpu() gives it a number. Each further CPU gets a spare text once. Any
// context.
// Without hardware_id() such CPUs can't be told apart: each takes the place for its own.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform.hpp>

#include <stdint.h>

namespace lastcpu {

/// The place of one machine, and who has which of its `Spares` spare texts. Any context.
template <class P, uint32_t Spares>
class place {
  static_assert(platform_checked<P>);

 public:
  /// Nobody has it. All zeros.
  constexpr place() noexcept = default;

  /// This CPU's number; P::max_cpus when it has none and has the place; else no_cpu.
  /// relaxed: it looks for a store of its own.
  [[nodiscard, gnu::always_inline]] cpu_id number() const noexcept {
    const cpu_id me = P::this_cpu();
    if (me < P::max_cpus) [[likely]]
      return me;
    return words_[0].load(order::relaxed) == word() ? P::max_cpus : no_cpu;
  }

  /// Takes the place; false when another CPU has it.
  /// relaxed, here and below: the place publishes nothing; what its holder does is ordered by the gate.
  [[nodiscard]] bool take() noexcept { return take(0, 1) == 0; }

  /// Gives the place back. For a holder that was given a number.
  void leave() noexcept { words_[0].store(0, order::relaxed); }

  /// Takes a spare text, for a CPU that did not get the place: answers which one. `Spares` when this CPU has taken one
  /// before, or none is left.
  [[nodiscard]] uint32_t take_spare() noexcept { return take(1, 1 + Spares) - 1; }

 private:
  // What stands for this CPU in the words below; never 0, which is "nobody".
  [[nodiscard]] static uintptr_t word() noexcept {
    uintptr_t id = 1;
    if constexpr (detail::has_hardware_id<P>) id = uintptr_t{P::hardware_id()} + 1;
    return id != 0 ? id : 1;
  }

  // The first word of [from, to) that is nobody's, now this CPU's; `to` where there is none, or where it has one already.
  [[nodiscard]] uint32_t take(uint32_t from, uint32_t to) noexcept {
    const uintptr_t me = word();
    for (uint32_t i = from; i < to; ++i) {
      uintptr_t whose = 0;
      if (words_[i].compare_exchange(whose, me, order::relaxed, order::relaxed)) return i;
      if (whose == me) break;
    }
    return to;
  }

  typename P::template atomic<uintptr_t> words_[1 + Spares]{};  // who has the place, and each spare text
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
