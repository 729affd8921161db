// SPDX-License-Identifier: BSL-1.0
#pragma once
// CPUs without a number. The first one that panics takes a place of its own, P::max_cpus, where the others have their
// number, and goes down the same ladder behind the same gate.
//
// Guarantee: at most one CPU has the place at a time, told apart from the others by P::hardware_id(). It is kept to the
// end of the machine, or until its CPU has been adopted. A further CPU has a spare text, each its own; one that comes again
// is told that it has had it. Any context.
// Without hardware_id() one such CPU can't be told from another: they take the place for their own.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform.hpp>

#include <stdint.h>

namespace lastcpu {

template <class P, uint32_t Spares>
class place {
  static_assert(platform_checked<P>);

 public:
  constexpr place() noexcept = default;

  /// This CPU's number; P::max_cpus when it has none and holds the place; else no_cpu.
  /// relaxed: what it looks for is its own store.
  [[nodiscard]] cpu_id number() const noexcept {
    const cpu_id me = P::this_cpu();
    if (me < P::max_cpus) [[likely]]
      return me;
    return holder_.load(order::relaxed) == word() ? P::max_cpus : no_cpu;
  }

  /// Takes the place; false when another CPU has it.
  /// relaxed, like all that follows: it publishes nothing, the gate orders what its holder does.
  [[nodiscard]] bool take() noexcept {
    uintptr_t nobody = 0;
    return holder_.compare_exchange(nobody, word(), order::relaxed, order::relaxed);
  }

  /// For the holder, when it has a number now.
  void leave() noexcept { holder_.store(0, order::relaxed); }

  /// For a CPU that did not get the place: which spare text is its own. `Spares` when it has had one before, or all are
  /// taken.
  [[nodiscard]] uint32_t take_spare() noexcept {
    for (uint32_t i = 0; i < Spares; ++i) {
      uintptr_t whose = 0;
      if (spare_[i].compare_exchange(whose, word(), order::relaxed, order::relaxed)) return i;
      if (whose == word()) break;
    }
    return Spares;
  }

  /// For a machine that starts anew (the child of a fork). No other CPU may be there yet.
  void forget() noexcept {
    leave();
    for (auto& s : spare_) s.store(0, order::relaxed);
  }

 private:
  // Who asks; never 0.
  [[nodiscard]] static uintptr_t word() noexcept {
    uintptr_t id = 1;
    if constexpr (detail::has_hardware_id<P>) id = uintptr_t{P::hardware_id()} + 1;
    return id != 0 ? id : 1;
  }

  typename P::template atomic<uintptr_t> holder_{};
  typename P::template atomic<uintptr_t> spare_[Spares]{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
