// SPDX-License-Identifier: BSL-1.0
#pragma once
// A virtio device on PCI: its registers, modern (memory, found by vendor capabilities) and legacy (ports of BAR 0). One
// queue, polled. `Machine`: machine.hpp.

#include <stdint.h>

#include "dump_problem.hpp"
#include "pci.hpp"
#include "virtqueue.hpp"

template <class Machine>
class virtio_device {
 public:
  static constexpr uint64_t version_1 = uint64_t{1} << 32;

  explicit virtio_device(Machine& machine) noexcept : machine_(machine) {}

  /// Finds the registers, and resets the device: what the dead kernel's driver had told it is forgotten.
  [[nodiscard]] dump_problem open(pci::function at) noexcept {
    const pci::config<Machine> config(machine_, at);
    config.enable();
    const dump_problem wrong = find_registers(config);
    return wrong != dump_problem::none ? wrong : reset();
  }

  /// Accepts what is `wanted` and there, and version 1 of a modern device.
  [[nodiscard]] dump_problem negotiate(uint32_t wanted) noexcept {
    set_status(acknowledge);
    set_status(acknowledge | driver);
    features_ = features(0) & wanted;
    accept(0, features_);
    if (legacy_) return dump_problem::none;
    const uint32_t high = features(1) & 1;
    accept(1, high);
    set_status(acknowledge | driver | features_ok);
    return high != 0 && (status() & features_ok) != 0 ? dump_problem::none : dump_problem::device_refuses;
  }
  [[nodiscard]] bool has(uint32_t feature) const noexcept { return (features_ & feature) != 0; }
  [[nodiscard]] bool is_legacy() const noexcept { return legacy_; }

  /// The first queue, and the device is on. `wanted` entries, or the size that a legacy device insists upon.
  [[nodiscard]] dump_problem start(virtqueue& queue, virtqueue_memory& memory, uint32_t wanted) noexcept {
    select_queue();
    uint32_t entries = queue_size();
    if (!legacy_ && entries > wanted) entries = wanted;
    if (entries == 0 || (entries & (entries - 1)) != 0 || entries > virtqueue_memory::most_entries)
      return dump_problem::queue_size;
    queue.set_up(memory, entries);
    if (legacy_)
      machine_.out32(port(8), static_cast<uint32_t>(queue.descriptors_at() / virtqueue_memory::page));
    else
      start_modern(queue, entries);
    set_status(acknowledge | driver | driver_ok | (legacy_ ? 0u : features_ok));
    return dump_problem::none;
  }

  void notify() noexcept {
    if (legacy_)
      machine_.out16(port(16), 0);
    else
      machine_.template write<uint16_t>(notify_, 0);
  }

  /// A word of the configuration that the device's kind has.
  [[nodiscard]] uint32_t config32(uint32_t offset) noexcept {
    constexpr uint32_t legacy_config = 20;  // without MSI-X, which enable() has switched off
    return legacy_ ? machine_.in32(port(legacy_config + offset)) : machine_.template read<uint32_t>(device_ + offset);
  }

  /// Nothing of memory is read or written by the device from here on.
  [[nodiscard]] dump_problem reset() noexcept {
    set_status(0);
    const uint64_t begin = machine_.now_us();
    while (status() != 0)
      if (machine_.now_us() - begin > 1'000'000) return dump_problem::request_too_slow;
    return dump_problem::none;
  }

 private:
  static constexpr uint8_t acknowledge = 1, driver = 2, driver_ok = 4, features_ok = 8;

  [[nodiscard]] uint16_t port(uint32_t offset) const noexcept { return static_cast<uint16_t>(io_ + offset); }

  [[nodiscard]] dump_problem find_registers(const pci::config<Machine>& config) noexcept {
    constexpr uint8_t vendor_specific = 9, common = 1, notify = 2, device = 4;
    bool there = false, mapped = true;
    uint64_t common_at = 0, device_at = 0, notify_at = 0;
    uint32_t multiplier = 0;
    config.for_each_capability(vendor_specific, [&](uint8_t at) {
      const uint8_t kind = config.read8(static_cast<uint8_t>(at + 3));
      if (kind != common && kind != notify && kind != device) return;
      const pci::bar bar = config.read_bar(config.read8(static_cast<uint8_t>(at + 4)));
      if (bar.is_port || bar.address == 0) return;
      const uint64_t address = bar.address + config.read32(static_cast<uint8_t>(at + 8));
      there = true;
      mapped = machine_.map(address, config.read32(static_cast<uint8_t>(at + 12))) && mapped;
      if (kind == common) common_at = address;
      if (kind == device) device_at = address;
      if (kind != notify) return;
      notify_at = address;
      multiplier = config.read32(static_cast<uint8_t>(at + 16));
    });
    if (mapped && common_at != 0 && device_at != 0 && notify_at != 0) {
      common_ = common_at, device_ = device_at, notify_base_ = notify_at, notify_multiplier_ = multiplier;
      return dump_problem::none;
    }
    const pci::bar legacy = config.read_bar(0);
    if (!legacy.is_port || legacy.address == 0)
      return there && !mapped ? dump_problem::not_mapped : dump_problem::no_address;
    legacy_ = true;
    io_ = static_cast<uint32_t>(legacy.address);
    return dump_problem::none;
  }

  void start_modern(const virtqueue& queue, uint32_t entries) noexcept {
    machine_.template write<uint16_t>(common_ + 24, static_cast<uint16_t>(entries));
    machine_.template write<uint16_t>(common_ + 26, 0xffff);  // no MSI-X vector
    write64(common_ + 32, queue.descriptors_at());
    write64(common_ + 40, queue.available_at());
    write64(common_ + 48, queue.used_at());
    const uint32_t offset = machine_.template read<uint16_t>(common_ + 30);
    notify_ = notify_base_ + uint64_t{offset} * notify_multiplier_;
    machine_.template write<uint16_t>(common_ + 28, 1);
  }
  void write64(uint64_t at, uint64_t v) noexcept {
    machine_.template write<uint32_t>(at, static_cast<uint32_t>(v));
    machine_.template write<uint32_t>(at + 4, static_cast<uint32_t>(v >> 32));
  }

  [[nodiscard]] uint32_t features(uint32_t half) noexcept {
    if (legacy_) return half == 0 ? machine_.in32(port(0)) : 0;
    machine_.template write<uint32_t>(common_ + 0, half);
    return machine_.template read<uint32_t>(common_ + 4);
  }
  void accept(uint32_t half, uint32_t which) noexcept {
    if (legacy_) return machine_.out32(port(4), which);
    machine_.template write<uint32_t>(common_ + 8, half);
    machine_.template write<uint32_t>(common_ + 12, which);
  }
  [[nodiscard]] uint8_t status() noexcept {
    return legacy_ ? machine_.in8(port(18)) : machine_.template read<uint8_t>(common_ + 20);
  }
  void set_status(uint32_t v) noexcept {
    if (legacy_)
      machine_.out8(port(18), static_cast<uint8_t>(v));
    else
      machine_.template write<uint8_t>(common_ + 20, static_cast<uint8_t>(v));
  }
  void select_queue() noexcept {
    if (legacy_)
      machine_.out16(port(14), 0);
    else
      machine_.template write<uint16_t>(common_ + 22, 0);
  }
  [[nodiscard]] uint32_t queue_size() noexcept {
    return legacy_ ? machine_.in16(port(12)) : machine_.template read<uint16_t>(common_ + 24);
  }

  Machine& machine_;
  bool legacy_ = false;
  uint32_t io_ = 0;
  uint64_t common_ = 0, device_ = 0, notify_base_ = 0, notify_ = 0;
  uint32_t notify_multiplier_ = 0;
  uint32_t features_ = 0;
};
