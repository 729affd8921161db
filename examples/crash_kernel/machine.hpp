// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the drivers of this crash kernel touch: ports, the registers of devices, and time. Tests have another one.

#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stdint.h>

#include "device_memory.hpp"

class machine {
 public:
  /// `mapped_bytes`: physical memory from 0 on that is mapped at its own address. Ticks per second of 0: unknown, and a fast
  /// TSC is assumed, so that bounds become longer, not shorter.
  machine(uint64_t mapped_bytes, uint64_t ticks_per_second) noexcept
      : mapped_bytes_(mapped_bytes), ticks_per_second_(ticks_per_second != 0 ? ticks_per_second : fast_tsc) {}

  static uint8_t in8(uint16_t port) noexcept { return lastcpu::x86::in8(port); }
  static uint16_t in16(uint16_t port) noexcept { return lastcpu::x86::in16(port); }
  static uint32_t in32(uint16_t port) noexcept { return lastcpu::x86::in32(port); }
  static void out8(uint16_t port, uint8_t v) noexcept { lastcpu::x86::out8(port, v); }
  static void out16(uint16_t port, uint16_t v) noexcept { lastcpu::x86::out16(port, v); }
  static void out32(uint16_t port, uint32_t v) noexcept { lastcpu::x86::out32(port, v); }

  /// A device's registers, at an address that map() has mapped.
  template <class T>
  static T read(uint64_t address) noexcept {
    return *reinterpret_cast<const volatile T*>(address);
  }
  template <class T>
  static void write(uint64_t address, T v) noexcept {
    *reinterpret_cast<volatile T*>(address) = v;
  }

  /// Makes [address, address + bytes) of a device readable at its own address; false where there is no room for tables.
  [[nodiscard]] bool map(uint64_t address, uint64_t bytes) noexcept {
    return (bytes <= mapped_bytes_ && address <= mapped_bytes_ - bytes) || map_device_memory(address, bytes);
  }

  [[nodiscard]] uint64_t now_us() const noexcept {
    const uint64_t ticks = lastcpu::x86::rdtsc();
    return ticks / ticks_per_second_ * 1'000'000 + ticks % ticks_per_second_ * 1'000'000 / ticks_per_second_;
  }

 private:
  static constexpr uint64_t fast_tsc = 6'000'000'000;

  uint64_t mapped_bytes_;
  uint64_t ticks_per_second_;
};
