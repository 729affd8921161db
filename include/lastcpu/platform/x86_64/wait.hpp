// SPDX-License-Identifier: BSL-1.0
#pragma once
// How a CPU waits on a word: it polls when there is a deadline, and sleeps on the cache line when there is none.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/x86_64/hardware.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// CPUID has monitor and mwait. Some models (Xeon 7400, Nehalem-EX, Westmere-EX, Goldmont, Lunar Lake) have them and lose
/// wake-ups: a kernel that runs there answers false in its own can_monitor().
template <class Hw = hardware>
[[nodiscard]] inline bool has_monitor() noexcept {
  return (Hw::cpuid(1).ecx >> 3 & 1) != 0;
}

/// A hypervisor says that it is there. It hands out mwait seldom, or as a pause.
template <class Hw = hardware>
[[nodiscard]] inline bool in_virtual_machine() noexcept {
  return Hw::cpuid(1).ecx >> 31 != 0;
}

/// One round of polling: false once now() >= at.
template <class Hw = hardware>
[[nodiscard]] inline bool poll(uint64_t at) noexcept {
  Hw::pause();
  return Hw::now() < at;
}

/// One round of P::wait_while: a pause, or, with `no_deadline`, until somebody writes to the line (`may_sleep`) or a while
/// of polling. Arms first, then compares, so that no change is slept through.
/// (1) acquire: pairs with the caller's release; what was stored before the change is visible.
template <class Hw = hardware, class Word, class T>
[[nodiscard]] inline bool wait_while(const Word& word, T value, uint64_t at, bool may_sleep) noexcept {
  constexpr uint32_t polls = 1000;  // has_monitor() is dear in a virtual machine
  if (at != no_deadline) return poll<Hw>(at);
  if (may_sleep) {
    Hw::monitor(word.address());
    // (1)
    if (word.load(order::acquire) == value) Hw::mwait();
    return true;
  }
  // (1)
  for (uint32_t i = 0; i < polls && word.load(order::acquire) == value; ++i) Hw::pause();
  return true;
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
