// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/archetype.hpp>
#include <lastcpu/barebones.hpp>
#include <lastcpu/locked_atomic.hpp>

namespace {

volatile uint32_t register_31 = 1;  // never taken: this machine has one core
uint32_t masked, mask_register;

volatile uint32_t* sio_spinlock(uint32_t) {
  return &register_31;
}
uintptr_t set_primask() {
  const uintptr_t before = mask_register;
  mask_register = 1;
  ++masked;
  return before;
}
void restore_primask(uintptr_t before) {
  mask_register = static_cast<uint32_t>(before);
}
void hold_core_1_in_reset() {}

struct rp2040_rest : lastcpu::archetype {
  template <class Word, class T>
  static bool wait_while(const Word&, T, uint64_t at) noexcept {
    return now() < at;
  }
  template <class Word>
  static void wake(const Word&, lastcpu::wake_reason) noexcept {}
};
struct rp2040_policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 1000}, {lastcpu::stop_how::forced, 1000}};
};

#include "port_rp2040.inc"

}  // namespace

int main() {
  lastcpu::panic_cpu<rp2040> gate;
  const bool won = gate.claim(lastcpu::hold::final).won();
  return won && masked > 0 && mask_register == 0 && rp2040::force_stop(1) && !machine.gate().in_progress() ? 0 : 1;
}
