// SPDX-License-Identifier: BSL-1.0
#pragma once
// A panic without a trap that brings registers.

#include <lastcpu/detail/begin.hpp>

namespace lastcpu {

/// machine.panic() with the registers of the caller, taken in the caller: a report and a backtrace of the dump begin in the
/// function that gave up, not somewhere in lastcpu. Thread or irq context. `machine` is a crash_domain or a bare_domain.
template <template <class, class> class Domain, class P, class Policy>
[[noreturn, gnu::always_inline]] inline void panic_here(Domain<P, Policy>& machine, const char* message) noexcept {
  typename P::registers here;
  P::capture_registers(here);
  machine.panic(message, &here);
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
