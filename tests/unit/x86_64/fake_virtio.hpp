// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine with a virtio disk in it, modern and legacy, as the driver sees it: configuration space, registers, and the
// queue in this program's memory. What it does wrong is for a test to say.

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace dump_test {

inline constexpr uint64_t registers_at = uint64_t{5} << 40;  // of the modern device: common, device, notify
inline constexpr uint16_t ports_at = 0xc000;

class fake_machine {
 public:
  // How it is.
  bool has_modern = true, has_legacy = true, can_map = true;
  uint64_t features = 1 << 9 | 1 << 2 | uint64_t{1} << 32;
  uint16_t entries = 256;
  bool refuses_features = false;
  bool never_resets = false;
  bool capabilities_in_a_circle = false;
  uint64_t sectors = 2048;
  uint32_t size_max = 0, seg_max = 254;
  std::string serial = "lastcpu-dump";
  uint8_t answer = 0;
  bool holds_back = false;  // takes no request while set
  uint16_t command = 0x0003;
  uint16_t msi_x_control = 0x8000;

  // What it has seen.
  uint8_t status = 0;
  uint64_t accepted = 0;
  uint32_t resets = 0;
  std::vector<std::vector<uint32_t>> pieces;  // sizes, for each request
  std::vector<unsigned char> disk = std::vector<unsigned char>(1 << 20);
  uint32_t flushes = 0;
  uint64_t us = 0;

  uint64_t now_us() { return us += 10; }
  bool map(uint64_t, uint64_t) { return can_map; }

  // --- Ports.

  void out32(uint16_t port, uint32_t v) {
    if (port == 0xcf8)
      selected_ = v;
    else if (port == ports_at + 4)
      accepted = v;
    else if (port == ports_at + 8)
      set_queue(uint64_t{v} << 12);
    else
      throw std::logic_error("out32 to nowhere");
  }
  uint32_t in32(uint16_t port) {
    if (port == 0xcfc) return config_word();
    if (port == ports_at) return static_cast<uint32_t>(features);
    if (port >= ports_at + 20) return device_word(port - ports_at - 20u);
    throw std::logic_error("in32 from nowhere");
  }
  void out16(uint16_t port, uint16_t v) {
    if (port == ports_at + 16) return process();
    if (port == ports_at + 14) return;
    if ((port & 0xfffc) != 0xcfc) throw std::logic_error("out16 to nowhere");
    const uint32_t at = (selected_ & 0xfc) + (port & 2u);
    if (at == 4) command = v;
    if (at == 0x40 + 2) msi_x_control = v;
  }
  uint16_t in16(uint16_t port) {
    if (port == ports_at + 12) return entries;
    throw std::logic_error("in16 from nowhere");
  }
  void out8(uint16_t port, uint8_t v) {
    if (port != ports_at + 18) throw std::logic_error("out8 to nowhere");
    set_status(v);
  }
  uint8_t in8(uint16_t port) {
    if (port != ports_at + 18) throw std::logic_error("in8 from nowhere");
    return status;
  }

  // --- Registers of the modern device.

  template <class T>
  T read(uint64_t address) {
    const uint64_t at = address - registers_at;
    if (at == 4) return static_cast<T>(features >> 32 * feature_half_);
    if (at == 20) return static_cast<T>(status);
    if (at == 24) return static_cast<T>(chosen_entries_ != 0 ? chosen_entries_ : entries);
    if (at == 30) return static_cast<T>(3);
    if (at >= 0x100 && at < 0x200) return static_cast<T>(device_word(static_cast<uint32_t>(at - 0x100)));
    throw std::logic_error("a read of no register");
  }
  template <class T>
  void write(uint64_t address, T v) {
    const uint64_t at = address - registers_at;
    if (at == 0) feature_half_ = static_cast<uint32_t>(v);
    if (at == 8) accepted_half_ = static_cast<uint32_t>(v);
    if (at == 12) accepted |= uint64_t{v} << 32 * accepted_half_;
    if (at == 20) set_status(static_cast<uint8_t>(v));
    if (at == 24) chosen_entries_ = static_cast<uint16_t>(v);
    if (at >= 32 && at < 56) queue_word(at - 32, static_cast<uint32_t>(v));
    if (at == 0x200 + 3 * 4) process();
  }

  /// Answers what it was not asked.
  void put_used(uint32_t id, uint16_t index) {
    std::memcpy(used_ + 4 + 8 * (taken_ % size()), &id, 4);
    std::memcpy(used_ + 2, &index, 2);
  }
  void process() {
    if (holds_back) return;
    uint16_t available;
    std::memcpy(&available, available_ + 2, 2);
    while (taken_ != available) {
      uint16_t first;
      std::memcpy(&first, available_ + 4 + 2 * (taken_ % size()), 2);
      serve(first);
      put_used(first, static_cast<uint16_t>(taken_ + 1));
      ++taken_;
    }
  }

 private:
  struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
  };

  [[nodiscard]] uint16_t size() const { return chosen_entries_ != 0 ? chosen_entries_ : entries; }

  uint32_t config_word() const {
    const uint32_t bus = selected_ >> 16 & 255, device = selected_ >> 11 & 31, function = selected_ >> 8 & 7;
    if (bus != 2 || device != 5 || function != 0) return ~uint32_t{0};
    const uint32_t at = selected_ & 0xfc;
    if (at == 0) return has_modern && !has_legacy ? 0x1042'1af4 : 0x1001'1af4;
    if (at == 4) return command | 0x0010'0000;
    if (at == 0x10) return has_legacy ? ports_at | 1u : 0u;
    if (at == 0x20) return 0x0000'000c;  // 64 bits
    if (at == 0x24) return static_cast<uint32_t>(registers_at >> 32);
    if (at == 0x34) return 0x40;
    if (at == 0x40) return 0x11 | (has_modern ? 0x50 << 8 : 0) | uint32_t{msi_x_control} << 16;
    if (at >= 0x50 && at < 0xb0) return capability_word((at - 0x50) / 0x20, (at - 0x50) % 0x20);
    return 0;
  }
  // Common, device, notify; each 0x100 behind the other.
  [[nodiscard]] uint32_t capability_word(uint32_t i, uint32_t at) const {
    const uint32_t kinds[] = {1, 4, 2};
    const uint32_t next = i < 2 ? 0x70 + 0x20 * i : capabilities_in_a_circle ? 0x50 : 0;
    if (at == 0) return 9 | next << 8 | 20u << 16 | kinds[i] << 24;
    if (at == 4) return 4;  // the BAR
    if (at == 8) return 0x100 * i;
    if (at == 12) return 0x100;
    return at == 16 ? 4 : 0;
  }

  uint32_t device_word(uint32_t at) const {
    if (at == 0) return static_cast<uint32_t>(sectors);
    if (at == 4) return static_cast<uint32_t>(sectors >> 32);
    if (at == 8) return size_max;
    return at == 12 ? seg_max : 0;
  }

  void set_status(uint8_t v) {
    if (v == 0 && never_resets) return;
    if (v == 0) ++resets, accepted = 0, taken_ = 0, chosen_entries_ = 0;
    status = v;
    if (refuses_features) status &= 0xf7;
  }
  void set_queue(uint64_t at) {
    descriptors_ = reinterpret_cast<const descriptor*>(at);
    available_ = reinterpret_cast<const unsigned char*>(at + 16 * entries);
    used_ = reinterpret_cast<unsigned char*>((at + 18 * entries + 6 + 4095) / 4096 * 4096);
  }
  void queue_word(uint64_t at, uint32_t v) {
    words_[at / 4] = v;
    auto address = [this](uint32_t i) { return words_[2 * i] | uint64_t{words_[2 * i + 1]} << 32; };
    descriptors_ = reinterpret_cast<const descriptor*>(address(0));
    available_ = reinterpret_cast<const unsigned char*>(address(1));
    used_ = reinterpret_cast<unsigned char*>(address(2));
  }

  void serve(uint32_t at) {
    std::vector<descriptor> chain;
    for (;;) {
      chain.push_back(descriptors_[at]);
      if ((descriptors_[at].flags & 1) == 0) break;
      at = descriptors_[at].next;
    }
    std::vector<uint32_t> sizes;
    for (const descriptor& d : chain) sizes.push_back(d.bytes);
    pieces.push_back(sizes);
    uint32_t type;
    uint64_t sector;
    std::memcpy(&type, reinterpret_cast<const void*>(chain[0].address), 4);
    std::memcpy(&sector, reinterpret_cast<const void*>(chain[0].address + 8), 8);
    uint64_t offset = sector * 512;
    for (size_t i = 1; i + 1 < chain.size(); ++i) {
      auto* memory = reinterpret_cast<unsigned char*>(chain[i].address);
      if (type == 1) std::memcpy(disk.data() + offset, memory, chain[i].bytes);
      if (type == 8) std::memcpy(memory, serial.c_str(), std::min<size_t>(serial.size() + 1, 20));
      if (((chain[i].flags & 2) != 0) != (type == 8)) throw std::logic_error("a piece in the wrong direction");
      offset += chain[i].bytes;
    }
    if (type == 4) ++flushes;
    *reinterpret_cast<uint8_t*>(chain.back().address) = answer;
  }

  uint32_t selected_ = 0;
  uint32_t feature_half_ = 0, accepted_half_ = 0;
  uint16_t chosen_entries_ = 0;
  uint32_t words_[6] = {};
  const descriptor* descriptors_ = nullptr;
  const unsigned char* available_ = nullptr;
  unsigned char* used_ = nullptr;
  uint16_t taken_ = 0;
};

}  // namespace dump_test
