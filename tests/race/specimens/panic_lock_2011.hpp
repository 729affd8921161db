// SPDX-License-Identifier: BSL-1.0
#pragma once
// 2011: a lock in front of panic(); who fails it stops itself, in a weak hook that loops. crash_kexec() on an oops does
// not know the lock, so a panic elsewhere still stops that CPU; an NMI that panics on top of it never returns; and a
// CPU that loses in NMI context answers nobody.

#include "historical_machine.hpp"

namespace specimens {

template <class P>
class panic_lock_2011 : public historical_machine<P> {
 public:
  using registers = typename P::registers;

  void crash_kexec(const registers* regs) noexcept { this->try_crash_kernel(regs); }

  [[noreturn]] void panic(const registers* regs) noexcept {
    (void)P::irq_save();
    uint32_t unlocked = 0;
    if (!panic_lock_.compare_exchange(unlocked, 1, order::acquire, order::relaxed)) this->self_stop();
    crash_kexec(regs);
    this->rest_of_panic();
  }

  void nmi_panic(const registers& regs) noexcept { panic(&regs); }

 private:
  typename historical_machine<P>::word panic_lock_{};
};

}  // namespace specimens
