// SPDX-License-Identifier: BSL-1.0
#pragma once
// Until 2011: nothing in front of the crash kernel but its trylock. A second panic fails the lock, goes on to "stop all
// other CPUs", and stops the first in the middle of its dump.

#include "historical_machine.hpp"

namespace specimens {

template <class P>
class trylock_only : public historical_machine<P> {
 public:
  using registers = typename P::registers;

  void crash_kexec(const registers* regs) noexcept { this->try_crash_kernel(regs); }

  [[noreturn]] void panic(const registers* regs) noexcept {
    crash_kexec(regs);
    this->rest_of_panic();
  }

  void nmi_panic(const registers& regs) noexcept { panic(&regs); }
};

}  // namespace specimens
