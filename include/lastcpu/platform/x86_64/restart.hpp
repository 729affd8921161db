// SPDX-License-Identifier: BSL-1.0
#pragma once
// Ways to restart a PC, each with a bound, the next one if the machine is still there.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/resettable.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// In ticks, how long one way may take to show: a sixteenth of a second. Shifted: a division by a constant is long.
[[nodiscard]] constexpr uint64_t restart_patience(uint64_t ticks_per_second) noexcept {
  return ticks_per_second >> 4;
}

namespace detail {

template <class Hw>
[[gnu::noinline]] inline void wait_ticks(uint64_t ticks) noexcept {
  const uint64_t begun = Hw::now();
  while (Hw::now() - begun < ticks) Hw::pause();
}

// Reset control register: a write with bit 2 rising resets; bit 1 asks for the whole system.
template <class Hw>
inline void restart_by_cf9(uint64_t ticks_per_second) noexcept {
  constexpr uint16_t reset_control = 0xcf9;
  const auto others = static_cast<uint8_t>(Hw::in8(reset_control) & ~0x0eu);
  Hw::out8(reset_control, static_cast<uint8_t>(others | 0x02u));
  wait_ticks<Hw>(ticks_per_second >> 14);  // 61 microseconds
  Hw::out8(reset_control, static_cast<uint8_t>(others | 0x06u));
}

// False when the keyboard controller takes no command within the bound (or is not there: reads as all ones).
template <class Hw>
[[nodiscard]] inline bool keyboard_controller_ready(uint64_t ticks) noexcept {
  constexpr uint16_t status = 0x64;
  constexpr uint8_t input_full = 2;
  const uint64_t begun = Hw::now();
  do {
    if ((Hw::in8(status) & input_full) == 0) return true;
    Hw::pause();
  } while (Hw::now() - begun < ticks);
  return false;
}

}  // namespace detail

/// Port 0xcf9, then the keyboard controller's reset line, then a triple fault. Interrupts off. After 0.2 seconds at most
/// the last one is tried; a machine that survives it is past help.
/// VMX and SVM are left last: a CPU in VMX operation holds an INIT back, which is what the second and third way are on some
/// machines, and takes it when it leaves. VMXOFF may fault where the kernel does not know better (resettable.hpp); without
/// an IDT that is the triple fault.
template <class Kernel, class Hw = hardware>
[[gnu::always_inline]] inline void restart(uint64_t ticks_per_second) noexcept {
  const uint64_t patience = restart_patience(ticks_per_second);
  detail::restart_by_cf9<Hw>(ticks_per_second);
  detail::wait_ticks<Hw>(patience);
  (void)detail::keyboard_controller_ready<Hw>(patience);
  Hw::out8(0x64, 0xfe);  // ready or not: there is nothing to lose
  detail::wait_ticks<Hw>(patience);
  Hw::drop_idt();
  leave_virtualisation<Kernel, Hw>();
  Hw::breakpoint();
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
