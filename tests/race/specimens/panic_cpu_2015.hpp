// SPDX-License-Identifier: BSL-1.0
#pragma once
// 2015: one word, panic_cpu, for both paths, and each decides by what its exchange returned. But crash_kexec() gives
// the word back when it finds no image, and who lost to it meanwhile is parked for ever; and an NMI that panics on the
// owner returns, whatever becomes of the owner.

#include "historical_machine.hpp"

namespace specimens {

template <class P>
class panic_cpu_2015 : public historical_machine<P> {
 public:
  using registers = typename P::registers;

  void crash_kexec(const registers* regs) noexcept {
    if (claim() != nobody) return;
    this->try_crash_kernel(regs);
    panic_cpu_.store(nobody, order::relaxed);
  }

  [[noreturn]] void panic(const registers* regs) noexcept {
    (void)P::irq_save();
    const uint32_t old = claim();
    if (old != nobody && old != me()) this->self_stop();
    this->try_crash_kernel(regs);
    this->rest_of_panic();
  }

  void nmi_panic(const registers& regs) noexcept {
    const uint32_t old = claim();
    if (old == nobody) panic(&regs);
    if (old != me()) this->stop_in_nmi_polling(regs);
  }

  [[nodiscard]] bool holds_gate() noexcept { return panic_cpu_.load(order::relaxed) == me(); }

 private:
  static constexpr uint32_t nobody = 0;
  [[nodiscard]] static uint32_t me() noexcept { return P::this_cpu() + 1; }

  [[nodiscard]] uint32_t claim() noexcept {
    uint32_t old = nobody;
    (void)panic_cpu_.compare_exchange(old, me(), order::acq_rel, order::acquire);
    return old;
  }

  typename historical_machine<P>::word panic_cpu_{};
};

}  // namespace specimens
