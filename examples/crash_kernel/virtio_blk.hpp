// SPDX-License-Identifier: BSL-1.0
#pragma once
// A virtio disk, polled: some requests in flight, each one piece of memory that the device reads where it is. `Machine`:
// machine.hpp. What it asks the device for is bounded by its user: it never waits.

#include <stdint.h>

#include "virtio.hpp"

enum class block_request : uint32_t { write = 1, flush = 4, get_id = 8 };

/// What became of a request.
enum class block_answer : uint8_t { ok = 0, io_error = 1, unsupported = 2, none = 0xfe, nonsense = 0xff };

struct block_completion {
  uint32_t slot;
  block_answer answer;  // none: nothing has been answered since
};

/// What is shared with the device, at its physical address.
struct virtio_blk_memory {
  static constexpr uint32_t most_slots = 5;
  struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
  };
  virtqueue_memory queue;
  header headers[most_slots];
  volatile uint8_t answers[most_slots];
  char id[24];
};

template <class Machine>
class virtio_blk {
 public:
  static constexpr uint32_t sector_bytes = 512;
  static constexpr uint32_t most_request_bytes = 4u << 20;
  static constexpr uint32_t id_bytes = 20;

  virtio_blk(Machine& machine, virtio_blk_memory& memory) noexcept : device_(machine), memory_(memory) {}

  [[nodiscard]] static bool is_one(uint32_t pci_id) noexcept {
    return (pci_id & 0xffff) == 0x1af4 && (pci_id >> 16 == 0x1001 || pci_id >> 16 == 0x1042);
  }

  /// Takes it over from whoever had it, and asks what it can do. Once for an object.
  [[nodiscard]] dump_problem start(pci::function at) noexcept {
    dump_problem wrong = device_.open(at);
    if (wrong == dump_problem::none) wrong = device_.negotiate(has_size_max | has_seg_max | is_read_only | has_flush);
    if (wrong == dump_problem::none) wrong = device_.start(queue_, memory_.queue, 256);
    if (wrong == dump_problem::none) wrong = read_limits();
    return wrong;
  }

  [[nodiscard]] uint64_t capacity_bytes() const noexcept { return capacity_; }
  [[nodiscard]] bool read_only() const noexcept { return device_.has(is_read_only); }
  /// Else what is written is written.
  [[nodiscard]] bool can_flush() const noexcept { return device_.has(has_flush); }
  [[nodiscard]] bool is_legacy() const noexcept { return device_.is_legacy(); }
  /// Of one request; a multiple of a sector.
  [[nodiscard]] uint32_t most_bytes() const noexcept { return most_bytes_; }
  /// Requests in flight: 1 to most_slots.
  [[nodiscard]] uint32_t slots() const noexcept { return slots_; }

  /// A write of whole sectors. The slot is free: it was never used, or its answer has come.
  void write(uint32_t slot, uint64_t offset, uint64_t physical, uint32_t bytes) noexcept {
    virtqueue_piece pieces[most_segments + 2];
    uint32_t count = 1;
    while (bytes != 0) {
      const uint32_t n = bytes < segment_bytes_ ? bytes : segment_bytes_;
      pieces[count++] = {physical, n, false};
      physical += n, bytes -= n;
    }
    submit(slot, block_request::write, offset / sector_bytes, pieces, count);
  }
  void flush(uint32_t slot) noexcept {
    virtqueue_piece pieces[2];
    submit(slot, block_request::flush, 0, pieces, 1);
  }
  /// The serial number; see is_named() once the answer is there.
  void get_id(uint32_t slot) noexcept {
    virtqueue_piece pieces[3];
    pieces[1] = {reinterpret_cast<uint64_t>(memory_.id), id_bytes, true};
    submit(slot, block_request::get_id, 0, pieces, 2);
  }
  /// By get_id(). No disk has an empty one: that would be any without a serial number, whatever is on it.
  [[nodiscard]] bool is_named(const char* serial) const noexcept {
    uint32_t i = 0;  // memory_.id[id_bytes] is 0
    while (memory_.id[i] != '\0' && memory_.id[i] == serial[i]) ++i;
    return i != 0 && memory_.id[i] == serial[i];
  }

  [[nodiscard]] block_completion poll() noexcept {
    const uint32_t first = queue_.take();
    if (first == virtqueue::nothing) return {0, block_answer::none};
    const uint32_t slot = first / descriptors_per_slot_;
    if (first == virtqueue::nonsense || first % descriptors_per_slot_ != 0 || slot >= slots_ || !busy_[slot])
      return {0, block_answer::nonsense};
    busy_[slot] = false;
    const uint8_t said = memory_.answers[slot];
    return {slot, said <= 2 ? static_cast<block_answer>(said) : block_answer::nonsense};
  }

  /// The device forgets what is in flight, and touches no memory any more.
  void stop() noexcept { (void)device_.reset(); }

 private:
  static constexpr uint32_t has_size_max = 1 << 1, has_seg_max = 1 << 2, is_read_only = 1 << 5, has_flush = 1 << 9;
  static constexpr uint32_t most_segments = 62;

  [[nodiscard]] dump_problem read_limits() noexcept {
    for (int i = 0; i < 3; ++i) {  // it may be changing: twice the same is no mixture
      const uint64_t before = capacity_;
      capacity_ = (device_.config32(0) | uint64_t{device_.config32(4)} << 32) * sector_bytes;
      if (capacity_ == before) break;
    }
    segment_bytes_ = device_.has(has_size_max) ? device_.config32(8) / sector_bytes * sector_bytes : most_request_bytes;
    if (segment_bytes_ > most_request_bytes) segment_bytes_ = most_request_bytes;
    if (queue_.entries() < 3 || segment_bytes_ == 0) return dump_problem::queue_size;
    uint32_t segments = device_.has(has_seg_max) ? device_.config32(12) : 1;
    if (segments > most_segments) segments = most_segments;
    const uint32_t enough = (most_request_bytes + segment_bytes_ - 1) / segment_bytes_;
    if (segments > enough) segments = enough;
    if (segments > queue_.entries() - 2) segments = queue_.entries() - 2;
    if (segments == 0) segments = 1;
    descriptors_per_slot_ = segments + 2;
    slots_ = queue_.entries() / descriptors_per_slot_;
    if (slots_ > virtio_blk_memory::most_slots) slots_ = virtio_blk_memory::most_slots;
    const uint64_t bytes = uint64_t{segments} * segment_bytes_;
    most_bytes_ = bytes < most_request_bytes ? static_cast<uint32_t>(bytes) : most_request_bytes;
    return dump_problem::none;
  }

  // pieces[0] and the one behind the last are filled in here: the header, and the byte for the answer.
  void submit(uint32_t slot, block_request type, uint64_t sector, virtqueue_piece* pieces, uint32_t count) noexcept {
    virtio_blk_memory::header& header = memory_.headers[slot];
    header = {static_cast<uint32_t>(type), 0, sector};
    memory_.answers[slot] = 0xff;
    pieces[0] = {reinterpret_cast<uint64_t>(&header), sizeof header, false};
    pieces[count] = {reinterpret_cast<uint64_t>(&memory_.answers[slot]), 1, true};
    busy_[slot] = true;
    queue_.add(slot * descriptors_per_slot_, pieces, count + 1);
    device_.notify();
  }

  virtio_device<Machine> device_;
  virtio_blk_memory& memory_;
  virtqueue queue_;
  uint64_t capacity_ = 0;
  uint32_t segment_bytes_ = 0;
  uint32_t most_bytes_ = 0;
  uint32_t descriptors_per_slot_ = 3;
  uint32_t slots_ = 0;
  bool busy_[virtio_blk_memory::most_slots] = {};
};
