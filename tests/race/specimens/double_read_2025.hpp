// SPDX-License-Identifier: BSL-1.0
#pragma once
// 2025: the same word behind helpers. What the exchange returned is thrown away and the word is read again, so that a
// release in between makes a panic go on without the gate, and an NMI's panic return as if it were the owner's. The
// losses of 2015 remain.

#include "historical_machine.hpp"

namespace specimens {

template <class P>
class double_read_2025 : public historical_machine<P> {
 public:
  using registers = typename P::registers;

  void crash_kexec(const registers* regs) noexcept {
    if (!try_start()) return;
    this->try_crash_kernel(regs);
    reset();
  }

  [[noreturn]] void panic(const registers* regs) noexcept {
    (void)P::irq_save();
    if (!try_start() && on_other_cpu()) this->self_stop();
    this->try_crash_kernel(regs);
    this->rest_of_panic();
  }

  void nmi_panic(const registers& regs) noexcept {
    if (try_start()) panic(&regs);
    if (on_other_cpu()) this->stop_in_nmi_polling(regs);
  }

  [[nodiscard]] bool holds_gate() noexcept { return panic_cpu_.load(order::relaxed) == me(); }

 private:
  static constexpr uint32_t nobody = 0;
  [[nodiscard]] static uint32_t me() noexcept { return P::this_cpu() + 1; }

  [[nodiscard]] bool try_start() noexcept {
    uint32_t old = nobody;
    return panic_cpu_.compare_exchange(old, me(), order::acq_rel, order::relaxed);
  }
  void reset() noexcept { panic_cpu_.store(nobody, order::relaxed); }
  [[nodiscard]] bool in_progress() noexcept { return panic_cpu_.load(order::relaxed) != nobody; }
  [[nodiscard]] bool on_other_cpu() noexcept { return in_progress() && panic_cpu_.load(order::relaxed) != me(); }

  typename historical_machine<P>::word panic_cpu_{};
};

}  // namespace specimens
