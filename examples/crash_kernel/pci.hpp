// SPDX-License-Identifier: BSL-1.0
#pragma once
// PCI configuration space by the ports 0xcf8 and 0xcfc, which need no table of the firmware's. `Machine`: machine.hpp.

#include <stdint.h>

namespace pci {

struct function {
  uint8_t bus, device, number;
};

struct bar {
  uint64_t address;  // 0: the firmware has given none
  bool is_port;
};

template <class Machine>
class config {
 public:
  config(Machine& machine, function f) noexcept
      : machine_(machine),
        select_(uint32_t{1} << 31 | uint32_t{f.bus} << 16 | uint32_t{f.device} << 11 | uint32_t{f.number} << 8) {}

  [[nodiscard]] uint32_t read32(uint8_t offset) const noexcept {
    machine_.out32(0xcf8, select_ | (offset & 0xfc));
    return machine_.in32(0xcfc);
  }
  [[nodiscard]] uint16_t read16(uint8_t offset) const noexcept {
    return static_cast<uint16_t>(read32(offset) >> (offset & 2) * 8);
  }
  [[nodiscard]] uint8_t read8(uint8_t offset) const noexcept {
    return static_cast<uint8_t>(read32(offset) >> (offset & 3) * 8);
  }
  /// Leaves the other half of the word alone: ones written there may clear something.
  void write16(uint8_t offset, uint16_t value) const noexcept {
    machine_.out32(0xcf8, select_ | (offset & 0xfc));
    machine_.out16(static_cast<uint16_t>(0xcfc | (offset & 2)), value);
  }

  [[nodiscard]] bar read_bar(uint8_t index) const noexcept {
    if (index > 5) return {0, false};
    const auto at = static_cast<uint8_t>(0x10 + 4 * index);
    const uint32_t low = read32(at);
    if ((low & 1) != 0) return {low & ~uint32_t{3}, true};
    const bool wide = (low & 6) == 4 && index < 5;
    return {(low & ~uint32_t{15}) | (wide ? uint64_t{read32(static_cast<uint8_t>(at + 4))} << 32 : 0), false};
  }

  /// Calls f(offset) for each capability with this id. A list that goes in a circle ends at the bound.
  template <class F>
  void for_each_capability(uint8_t id, F f) const noexcept {
    constexpr uint16_t has_list = 1 << 4;
    if ((read16(0x06) & has_list) == 0) return;
    uint8_t at = read8(0x34) & 0xfc;
    for (int i = 0; i < 48 && at != 0; ++i) {
      if (read8(at) == id) f(at);
      at = read8(static_cast<uint8_t>(at + 1)) & 0xfc;
    }
  }

  /// Answers at its addresses, may read and write memory, and interrupts nobody.
  void enable() const noexcept {
    constexpr uint16_t io = 1, memory = 2, bus_master = 4, no_interrupt = 1 << 10;
    write16(0x04, static_cast<uint16_t>(read16(0x04) | io | memory | bus_master | no_interrupt));
    constexpr uint8_t msi_x = 0x11;
    for_each_capability(msi_x, [this](uint8_t at) {
      const auto control = static_cast<uint8_t>(at + 2);
      write16(control, read16(control) & 0x7fff);
    });
  }

 private:
  Machine& machine_;
  uint32_t select_;
};

/// Calls f(function, vendor | device << 16) for each function there is, until it returns true.
template <class Machine, class F>
void for_each_function(Machine& machine, F f) noexcept {
  for (uint32_t n = 0; n < 256 * 32; ++n) {
    function at{static_cast<uint8_t>(n >> 5), static_cast<uint8_t>(n & 31), 0};
    uint32_t functions = 1;
    for (uint32_t i = 0; i < functions; ++i) {
      at.number = static_cast<uint8_t>(i);
      const config<Machine> c(machine, at);
      const uint32_t id = c.read32(0);
      if ((id & 0xffff) == 0xffff) continue;
      if (i == 0 && (c.read8(0x0e) & 0x80) != 0) functions = 8;
      if (f(at, id)) return;
    }
  }
}

}  // namespace pci
