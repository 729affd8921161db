// SPDX-License-Identifier: BSL-1.0
#pragma once
// A split virtqueue, in the legacy layout, which suits modern devices as well. Polled: the device is asked for no
// interrupt. What it writes is not trusted: a wrong index or id is an answer of its own.

#include <lastcpu/kexec/bytes.hpp>

#include <stdint.h>

/// What the device reads and writes; at its physical address.
struct alignas(4096) virtqueue_memory {
  static constexpr uint32_t most_entries = 1024;
  static constexpr uint32_t page = 4096;
  static constexpr uint32_t bytes = 8 * page;  // of the largest

  unsigned char room[bytes];
};

/// One piece of memory that a request consists of.
struct virtqueue_piece {
  uint64_t physical;
  uint32_t bytes;
  bool device_writes;
};

class virtqueue {
 public:
  static constexpr uint32_t nothing = ~uint32_t{0};
  static constexpr uint32_t nonsense = nothing - 1;  // the device has answered what it was not asked

  /// `entries`: as the device says, a power of two, at most most_entries. Zeroes the memory.
  void set_up(virtqueue_memory& memory, uint32_t entries) noexcept {
    lastcpu::kexec::zero_bytes(memory.room, sizeof memory.room);
    entries_ = entries;
    descriptors_ = reinterpret_cast<descriptor*>(memory.room);
    available_ = reinterpret_cast<uint16_t*>(memory.room + entries * sizeof(descriptor));
    const uint32_t end = entries * static_cast<uint32_t>(sizeof(descriptor)) + 6 + 2 * entries;
    used_ = memory.room + (end + virtqueue_memory::page - 1) / virtqueue_memory::page * virtqueue_memory::page;
    constexpr uint16_t no_interrupt = 1;
    available_[0] = no_interrupt;
    next_available_ = next_used_ = 0;
  }

  [[nodiscard]] uint64_t descriptors_at() const noexcept { return reinterpret_cast<uint64_t>(descriptors_); }
  [[nodiscard]] uint64_t available_at() const noexcept { return reinterpret_cast<uint64_t>(available_); }
  [[nodiscard]] uint64_t used_at() const noexcept { return reinterpret_cast<uint64_t>(used_); }
  [[nodiscard]] uint32_t entries() const noexcept { return entries_; }

  /// Hands a request to the device, in the descriptors from `first` on. They are free.
  void add(uint32_t first, const virtqueue_piece* pieces, uint32_t count) noexcept {
    constexpr uint16_t goes_on = 1, device_writes = 2;
    for (uint32_t i = 0; i < count; ++i) {
      descriptor& d = descriptors_[first + i];
      d.address = pieces[i].physical;
      d.bytes = pieces[i].bytes;
      d.flags = static_cast<uint16_t>((i + 1 < count ? goes_on : 0) | (pieces[i].device_writes ? device_writes : 0));
      d.next = static_cast<uint16_t>(first + i + 1);
    }
    available_[2 + next_available_ % entries_] = static_cast<uint16_t>(first);
    __atomic_store_n(&available_[1], ++next_available_, __ATOMIC_RELEASE);  // behind all that it leads to
    __atomic_thread_fence(__ATOMIC_SEQ_CST);                                // and seen before the device is told
  }

  /// The first descriptor of a request that the device is done with; `nothing`, or `nonsense`.
  [[nodiscard]] uint32_t take() noexcept {
    const uint16_t end = __atomic_load_n(reinterpret_cast<const uint16_t*>(used_ + 2), __ATOMIC_ACQUIRE);
    if (end == next_used_) return nothing;
    if (static_cast<uint16_t>(end - next_used_) > entries_) return nonsense;
    const auto* id = reinterpret_cast<const volatile uint32_t*>(used_ + 4 + 8 * (next_used_ % entries_));
    ++next_used_;
    const uint32_t first = *id;
    return first < entries_ ? first : nonsense;
  }

 private:
  struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags;
    uint16_t next;
  };

  descriptor* descriptors_ = nullptr;
  uint16_t* available_ = nullptr;  // flags, index, ring
  unsigned char* used_ = nullptr;  // flags, index, ring of {id, bytes}
  uint32_t entries_ = 0;
  uint16_t next_available_ = 0;
  uint16_t next_used_ = 0;
};
