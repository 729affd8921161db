// SPDX-License-Identifier: BSL-1.0
#pragma once
// Writes a core to a disk: the header first, which says "incomplete"; memory, from where it is, in the order of the file,
// with some requests in flight and the sum of one piece while others are being written; the sums; a flush; and the header
// again, which says "complete". What goes wrong ends it early, with a name: the header then says up to where the file is
// good.
//
// Nothing waits without a bound: one for a request, and one for all. `Disk` as virtio_blk; `World`:
//     uint64_t now_us();
//     void progress(uint64_t done, uint64_t all, uint64_t us);   // bytes; at most at each 10 % or 250 ms
//     const unsigned char* memory(uint64_t physical);            // of a range of the core, where it can be read

#include <lastcpu/kexec/digest.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

#include "core_plan.hpp"
#include "core_sums.hpp"
#include "disk_requests.hpp"

struct core_limits {
  uint64_t request_us;
  uint64_t all_us;
};

/// The words of the header in memory that say how far it is, in this order. They are under no seal.
struct core_words {
  uint64_t* valid_bytes;
  lastcpu::kexec::core_state* state;
  uint32_t* problem;
};

template <class Disk, class World>
class core_writer {
 public:
  core_writer(Disk& disk, World& world, const core_plan& plan, core_sums& sums, const core_words& words,
              core_limits limits) noexcept
      : disk_(disk),
        world_(world),
        plan_(plan),
        sums_(sums),
        words_(words),
        limits_(limits),
        requests_(disk, world, limits.request_us) {}

  /// All of it, once.
  dump_problem run() noexcept {
    begun_us_ = said_us_ = world_.now_us();
    if (!find_room()) return requests_.problem();
    set_words(core_state::incomplete, plan_.header_bytes());
    if (!write_header()) return requests_.problem();
    header_written_ = true;
    stream();
    if (end_ < plan_.file_bytes()) (void)requests_.give_up(dump_problem::too_small);
    if (!failed() && has_room_for_sums_) (void)write_sums();
    return finish();
  }

  /// From a fault while run() was at work, on another stack: what is in flight is waited for, and the header says why
  /// there is no more. Once.
  void abandon(dump_problem why) noexcept {
    if (!header_written_ || finished_) return;
    (void)requests_.give_up(why);
    (void)finish();
  }

  /// The file is good up to here. 0: not even its header is there.
  [[nodiscard]] uint64_t valid_bytes() const noexcept { return !header_written_ ? 0 : written_up_to(); }
  /// The header on the disk says so, and why. False: it says what it did at the last progress.
  [[nodiscard]] bool header_tells() const noexcept { return header_tells_; }
  [[nodiscard]] bool has_room_for_sums() const noexcept { return has_room_for_sums_; }
  [[nodiscard]] uint64_t elapsed_us() const noexcept { return world_.now_us() - begun_us_; }

 private:
  using core_state = lastcpu::kexec::core_state;
  using requests = disk_requests<Disk, World>;
  using use = typename requests::use;

  static constexpr uint32_t data_slots = 4;
  static constexpr uint64_t sector = Disk::sector_bytes;
  static constexpr uint64_t block = core_sums::block;  // the header has whole ones
  static constexpr uint64_t hash_bytes = 1u << 20;
  static constexpr uint64_t progress_us = 250'000;

  // In the order of the file.
  struct cursor {
    uint32_t range = 0;
    uint64_t done = 0;  // of it
  };

  [[nodiscard]] bool failed() const noexcept { return requests_.problem() != dump_problem::none; }

  bool find_room() noexcept {
    if (disk_.read_only()) return requests_.give_up(dump_problem::read_only);
    const uint64_t capacity = disk_.capacity_bytes() / sector * sector;
    if (capacity < plan_.header_bytes()) return requests_.give_up(dump_problem::too_small);
    end_ = capacity < plan_.file_bytes() ? capacity : plan_.file_bytes();
    has_room_for_sums_ = capacity >= end_ + core_sums::bytes(plan_.count());
    sums_.begin();
    return true;
  }

  // --- Memory.

  void stream() noexcept {
    while (!failed() && (more() || requests_.in_flight(use::data) != 0 || hashed_ != sent_)) {
      while (more() && requests_.in_flight(use::data) < data_slots && send()) {
      }
      hash();
      requests_.poll();
      check_time();
      tell();
    }
  }

  [[nodiscard]] bool more() const noexcept {
    return to_send_.range < plan_.count() && plan_[to_send_.range].offset + to_send_.done < end_;
  }

  bool send() noexcept {
    const uint32_t slot = requests_.free_slot();
    if (slot == requests::no_slot) return false;
    const core_range& r = plan_[to_send_.range];
    const uint64_t offset = r.offset + to_send_.done;
    uint64_t n = r.bytes - to_send_.done;
    if (n > disk_.most_bytes()) n = disk_.most_bytes();
    if (n > end_ - offset) n = end_ - offset;
    requests_.write(slot, use::data, offset, r.physical + to_send_.done, n);
    to_send_.done += n;
    sent_ += n;
    if (to_send_.done == r.bytes) ++to_send_.range, to_send_.done = 0;
    return true;
  }

  // Of what has been sent, a piece: the disk is at work meanwhile.
  void hash() noexcept {
    if (hashed_ == sent_) return;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);  // this is what faults, if anything: abandon() finds all in memory
    const core_range& r = plan_[to_hash_.range];
    uint64_t n = r.bytes - to_hash_.done;
    if (n > hash_bytes) n = hash_bytes;
    if (n > sent_ - hashed_) n = sent_ - hashed_;
    if (to_hash_.done == 0) sum_ = {};
    sum_.add(world_.memory(r.physical + to_hash_.done), n);
    to_hash_.done += n;
    hashed_ += n;
    if (to_hash_.done != r.bytes) return;
    sums_.add(r, sum_.value());
    ++to_hash_.range, to_hash_.done = 0;
  }

  void check_time() noexcept {
    const uint64_t now = world_.now_us();
    requests_.check_time(now);
    if (now - begun_us_ > limits_.all_us) (void)requests_.give_up(dump_problem::dump_too_slow);
  }

  // Now and then: a line, and a header that tells whoever finds this disk after a loss of power.
  void tell() noexcept {
    const uint64_t now = world_.now_us();
    const uint64_t done = sent_ - requests_.data_in_flight();
    if (done == said_bytes_) return;
    if (done - said_bytes_ < plan_.memory_bytes() / 10 && now - said_us_ < progress_us) return;
    said_bytes_ = done, said_us_ = now;
    world_.progress(done, plan_.memory_bytes(), now - begun_us_);
    const uint32_t slot = requests_.free_slot();
    if (slot == requests::no_slot || requests_.in_flight(use::header) != 0 || failed()) return;
    set_words(core_state::incomplete, written_up_to());
    const uint64_t from = offset_of(words_.valid_bytes) / block * block;
    const uint64_t to = (offset_of(words_.problem) / block + 1) * block;
    if (to - from <= disk_.most_bytes())
      requests_.write(slot, use::header, from, reinterpret_cast<uint64_t>(plan_.header()) + from, to - from);
  }

  [[nodiscard]] uint64_t written_up_to() const noexcept {
    if (sent_ == 0) return plan_.header_bytes();
    return requests_.written_up_to(more() ? plan_[to_send_.range].offset + to_send_.done : end_);
  }

  // --- The end, and the header.

  dump_problem finish() noexcept {
    finished_ = true;
    requests_.drain();
    if (!failed()) (void)flush();
    set_words(failed() ? core_state::incomplete : core_state::complete, written_up_to());
    header_tells_ = write_header() && flush();
    return requests_.problem();
  }

  void set_words(core_state state, uint64_t valid) noexcept {
    static_cast<volatile uint64_t&>(*words_.valid_bytes) = valid;
    static_cast<volatile core_state&>(*words_.state) = state;
    static_cast<volatile uint32_t&>(*words_.problem) = static_cast<uint32_t>(requests_.problem());
  }
  [[nodiscard]] uint64_t offset_of(const void* word) const noexcept {
    return static_cast<uint64_t>(static_cast<const unsigned char*>(word) - plan_.header());
  }

  bool write_header() noexcept { return requests_.write_now(0, plan_.header(), plan_.header_bytes()); }
  bool write_sums() noexcept {
    sums_.finish();
    return requests_.write_now(plan_.file_bytes(), sums_.data(), core_sums::bytes(plan_.count()));
  }
  // It may have all that was written before it, so it has the time that is left.
  bool flush() noexcept {
    const uint64_t used = elapsed_us();
    return requests_.flush(used < limits_.all_us && !failed() ? limits_.all_us - used : 0);
  }

  Disk& disk_;
  World& world_;
  const core_plan& plan_;
  core_sums& sums_;
  core_words words_;
  core_limits limits_;
  requests requests_;
  lastcpu::kexec::xxh64 sum_;
  bool has_room_for_sums_ = false;
  bool header_written_ = false;
  bool header_tells_ = false;
  bool finished_ = false;
  cursor to_send_, to_hash_;
  uint64_t sent_ = 0;
  uint64_t hashed_ = 0;
  uint64_t end_ = 0;  // of what is to be written; less than the core where the disk is too small
  uint64_t begun_us_ = 0;
  uint64_t said_us_ = 0;
  uint64_t said_bytes_ = 0;
};
