// SPDX-License-Identifier: BSL-1.0
#pragma once
// No interrupt comes through the legacy PICs and the IO-APICs any more: masked, on the winner before the jump. What a
// device signals by messages (MSI) still comes, and so does what is pending in a local APIC. What reaches a CPU from its own APIC is lapic.hpp's. Not here: devices themselves, and the memory they write to.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// Every line of both legacy PICs, the second one first: it interrupts through the first.
template <class Hw = hardware>
inline void mask_legacy_pics() noexcept {
  Hw::out8(0xa1, 0xff);
  Hw::out8(0x21, 0xff);
}

/// Every redirection entry of the IO-APIC whose registers are mapped, uncached, at `base`; but not those that deliver
/// an SMI, which are the firmware's. At most 240 entries. An access that the interrupted code has begun is lost.
template <class Hw = hardware>
inline void mask_io_apic(volatile void* base) noexcept {
  constexpr uint32_t select = 0x00, window = 0x10;
  constexpr uint32_t version = 1, redirection_table = 0x10;
  constexpr uint32_t masked = 1u << 16, delivery_mode = 7u << 8, smi = 2u << 8;
  Hw::write32(base, select, version);
  uint32_t last = Hw::read32(base, window) >> 16 & 0xff;
  if (last > 239) last = 239;
  for (uint32_t i = 0; i <= last; ++i) {
    Hw::write32(base, select, redirection_table + 2 * i);
    const uint32_t entry = Hw::read32(base, window);
    if ((entry & delivery_mode) != smi) Hw::write32(base, window, entry | masked);
  }
}

/// The IO-APICs that `Kernel::io_apic(i)` hands out for i = 0, 1, ... until it answers null; none when it has no such
/// member. At most 64.
template <class Kernel, class Hw = hardware>
inline void mask_io_apics() noexcept {
  if constexpr (detail::has_io_apic<Kernel>) {
    for (uint32_t i = 0; i < 64; ++i) {
      volatile void* const base = Kernel::io_apic(i);
      if (base == nullptr) return;
      mask_io_apic<Hw>(base);
    }
  }
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
