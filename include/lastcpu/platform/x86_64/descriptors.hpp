// SPDX-License-Identifier: BSL-1.0
#pragma once
// Segment descriptors and interrupt gates, as the processor reads them. Pure.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

///@{
/// Flat ring 0 segments: 64-bit code, execute and read; data, read and write. Accessed already: the processor writes
/// nothing into a table made of them.
inline constexpr uint64_t code64_descriptor = 0x00af'9b00'0000'ffff;
inline constexpr uint64_t data64_descriptor = 0x00cf'9300'0000'ffff;
///@}

/// An interrupt gate of 64-bit mode: interrupts off, no stack of its own (IST 0), ring 0.
struct interrupt_gate {
  uint16_t offset_0;   ///< bits 0-15 of the handler's address
  uint16_t selector;   ///< its code segment
  uint8_t ist;         ///< its stack in the TSS; 0: the one that is in use
  uint8_t type;        ///< present, ring, kind of gate
  uint16_t offset_16;  ///< bits 16-31
  uint32_t offset_32;  ///< bits 32-63
  uint32_t reserved;   ///< 0

  /// A gate to this address.
  [[nodiscard]] static constexpr interrupt_gate to(uint64_t handler, uint16_t code_selector) noexcept {
    return {static_cast<uint16_t>(handler),
            code_selector,
            0,
            0x8e,
            static_cast<uint16_t>(handler >> 16),
            static_cast<uint32_t>(handler >> 32),
            0};
  }
  /// The address that it leads to.
  [[nodiscard]] constexpr uint64_t handler() const noexcept {
    return offset_0 | uint64_t{offset_16} << 16 | uint64_t{offset_32} << 32;
  }
};
static_assert(sizeof(interrupt_gate) == 16);

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
