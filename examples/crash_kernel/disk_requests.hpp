// SPDX-License-Identifier: BSL-1.0
#pragma once
// The requests that a writer has with its disk, and the first thing that goes wrong with one of them. Every wait has a
// bound. `Disk` as virtio_blk; `World` has `uint64_t now_us()`.

#include <stdint.h>

#include "dump_problem.hpp"
#include "virtio_blk.hpp"

template <class Disk, class World>
class disk_requests {
 public:
  static constexpr uint32_t no_slot = virtio_blk_memory::most_slots;

  enum class use : uint8_t { none, data, header };

  /// `bound_us`: within so much time each is answered.
  disk_requests(Disk& disk, World& world, uint64_t bound_us) noexcept
      : disk_(disk), world_(world), bound_us_(bound_us) {}

  [[nodiscard]] dump_problem problem() const noexcept { return problem_; }
  /// The first problem counts. False, for who gives up with it.
  bool give_up(dump_problem why) noexcept {
    if (problem_ == dump_problem::none) problem_ = why;
    return false;
  }

  [[nodiscard]] uint32_t free_slot() const noexcept {
    for (uint32_t i = 0; i < disk_.slots(); ++i)
      if (flights_[i].what == use::none) return i;
    return no_slot;
  }
  [[nodiscard]] uint32_t in_flight(use what) const noexcept {
    uint32_t n = 0;
    for (const flight& f : flights_) n += f.what == what ? 1 : 0;
    return n;
  }
  [[nodiscard]] uint64_t data_in_flight() const noexcept {
    uint64_t sum = 0;
    for (const flight& f : flights_) sum += f.what == use::data ? f.bytes : 0;
    return sum;
  }
  /// All data that was sent below `end` is on the disk up to here.
  [[nodiscard]] uint64_t written_up_to(uint64_t end) const noexcept {
    uint64_t first = failed_at_ < end ? failed_at_ : end;
    for (const flight& f : flights_)
      if (f.what == use::data && f.offset < first) first = f.offset;
    return first;
  }

  /// At most most_bytes() of the disk, in a free slot.
  void write(uint32_t slot, use what, uint64_t offset, uint64_t physical, uint64_t bytes) noexcept {
    flights_[slot] = {what, false, offset, bytes, world_.now_us()};
    disk_.write(slot, offset, physical, static_cast<uint32_t>(bytes));
  }
  /// All of it, one request after the other; waits for each.
  bool write_now(uint64_t offset, const unsigned char* from, uint64_t bytes) noexcept {
    for (uint64_t done = 0; done < bytes;) {
      const uint32_t slot = wait_for_slot();
      if (slot == no_slot) return give_up(dump_problem::request_too_slow);
      const uint64_t n = bytes - done < disk_.most_bytes() ? bytes - done : disk_.most_bytes();
      write(slot, use::header, offset + done, reinterpret_cast<uint64_t>(from) + done, n);
      if (!wait(slot, bound_us_)) return false;
      done += n;
    }
    return true;
  }
  /// Waits for it `bound_us`, or as long as for any request, if that is more.
  bool flush(uint64_t bound_us) noexcept {
    if (!disk_.can_flush()) return true;
    const uint32_t slot = wait_for_slot();
    if (slot == no_slot) return give_up(dump_problem::request_too_slow);
    flights_[slot] = {use::header, false, 0, 0, world_.now_us()};
    disk_.flush(slot);
    return wait(slot, bound_us > bound_us_ ? bound_us : bound_us_);
  }

  /// Takes an answer, if there is one.
  void poll() noexcept {
    const block_completion c = disk_.poll();
    if (c.answer == block_answer::none) return;
    if (c.answer == block_answer::nonsense) return (void)give_up(dump_problem::nonsense);
    flight& f = flights_[c.slot];
    f.went_well = c.answer == block_answer::ok;
    if (!f.went_well) {
      if (f.what == use::data && f.offset < failed_at_) failed_at_ = f.offset;
      (void)give_up(dump_problem::io_error);
    }
    f.what = use::none;
  }
  /// Gives up where one has not been answered in time.
  void check_time(uint64_t now_us) noexcept {
    for (const flight& f : flights_)
      if (f.what != use::none && now_us - f.since_us > bound_us_) (void)give_up(dump_problem::request_too_slow);
  }
  /// Until nothing is in flight any more. Gives up when that takes longer than one request may: what comes late could be on
  /// the disk behind what is written next.
  void drain() noexcept {
    const uint64_t begin = world_.now_us();
    while (in_flight(use::none) != no_slot) {
      if (world_.now_us() - begin > bound_us_) return (void)give_up(dump_problem::request_too_slow);
      poll();
    }
  }

 private:
  struct flight {
    use what;
    bool went_well;  // once it is none
    uint64_t offset;
    uint64_t bytes;
    uint64_t since_us;
  };

  // A header on the way may have the only one.
  [[nodiscard]] uint32_t wait_for_slot() noexcept {
    const uint64_t begin = world_.now_us();
    uint32_t slot = free_slot();
    while (slot == no_slot && world_.now_us() - begin <= bound_us_) {
      poll();
      slot = free_slot();
    }
    return slot;
  }

  // For this request, whatever becomes of the others.
  bool wait(uint32_t slot, uint64_t bound_us) noexcept {
    const uint64_t begin = world_.now_us();
    while (flights_[slot].what != use::none) {
      poll();
      if (world_.now_us() - begin > bound_us) return give_up(dump_problem::request_too_slow);
    }
    return flights_[slot].went_well;
  }

  Disk& disk_;
  World& world_;
  uint64_t bound_us_;
  dump_problem problem_ = dump_problem::none;
  flight flights_[no_slot] = {};
  uint64_t failed_at_ = ~uint64_t{0};
};
