// SPDX-License-Identifier: BSL-1.0
#pragma once
// A disk for the writer that answers as a test wants it, on a clock that goes on with each look at it.

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core_in_memory.hpp"

namespace dump_test {

struct request {
  bool flush;
  uint64_t offset, bytes;
  uint32_t slot;
  uint64_t due;  // in polls
  uint64_t physical;
};

class fake_disk {
 public:
  static constexpr uint32_t sector_bytes = 512;

  explicit fake_disk(core_in_memory& core) : core_(core) { file.resize(core.file_bytes() + 4096); }

  std::vector<unsigned char> file;
  std::vector<request> asked;                                                                   // ever
  std::function<block_answer(const request&)> answer = [](auto&) { return block_answer::ok; };  // none: never
  std::function<uint64_t(const request&)> delay = [](auto&) { return 1; };
  std::function<void(const request&)> meanwhile = [](auto&) {};  // when it is asked
  std::function<void(const request&)> behind = [](auto&) {};     // when it is done
  uint64_t capacity = ~uint64_t{0};
  uint32_t most = 8192;
  uint32_t unit = 512;  // of each write
  uint32_t slot_count = 5;
  bool is_read_only = false;
  bool flushes = true;
  bool talks_nonsense = false;
  uint32_t most_in_flight = 0;

  [[nodiscard]] uint64_t capacity_bytes() const { return capacity == ~uint64_t{0} ? file.size() : capacity; }
  [[nodiscard]] bool read_only() const { return is_read_only; }
  [[nodiscard]] bool can_flush() const { return flushes; }
  [[nodiscard]] uint32_t most_bytes() const { return most; }
  [[nodiscard]] uint32_t slots() const { return slot_count; }

  void write(uint32_t slot, uint64_t offset, uint64_t physical, uint32_t bytes) {
    if (bytes == 0 || bytes % unit != 0 || offset % unit != 0 || bytes > most || offset + bytes > capacity_bytes())
      throw std::string("a write that no disk takes");
    submit({false, offset, bytes, slot, 0, physical});
  }
  void flush(uint32_t slot) { submit({true, 0, 0, slot, 0, 0}); }

  block_completion poll() {
    ++polls_;
    if (talks_nonsense) return {0, block_answer::nonsense};
    for (size_t i = 0; i < in_flight_.size(); ++i) {
      const request r = in_flight_[i];
      const block_answer a = answer(r);
      if (r.due > polls_ || a == block_answer::none) continue;
      in_flight_.erase(in_flight_.begin() + static_cast<long>(i));
      if (a == block_answer::ok && !r.flush) copy(r);
      behind(r);
      return {r.slot, a};
    }
    return {0, block_answer::none};
  }

 private:
  // As late as a disk may: what the writer changes too early is on it.
  void copy(const request& r) {
    const bool of_memory = r.offset >= core_in_memory::header_bytes && r.offset < core_.file_bytes();
    const auto* from = of_memory ? core_.memory().data() + r.physical : reinterpret_cast<unsigned char*>(r.physical);
    std::memcpy(file.data() + r.offset, from, r.bytes);
  }

  void submit(request r) {
    for (const request& other : in_flight_)
      if (other.slot == r.slot || r.slot >= slot_count) throw std::string("a slot that is not free");
    r.due = polls_ + delay(r);
    asked.push_back(r);
    in_flight_.push_back(r);
    if (in_flight_.size() > most_in_flight) most_in_flight = static_cast<uint32_t>(in_flight_.size());
    meanwhile(r);
  }

  core_in_memory& core_;
  std::vector<request> in_flight_;
  uint64_t polls_ = 0;
};

struct fake_world {
  explicit fake_world(core_in_memory& c) : core(c) {}

  core_in_memory& core;
  uint64_t us = 0;
  uint64_t us_per_look = 1;
  std::vector<uint64_t> said;
  std::vector<uint64_t> said_at;

  uint64_t now_us() { return us += us_per_look; }
  void progress(uint64_t done, uint64_t, uint64_t) { said.push_back(done), said_at.push_back(us); }
  const unsigned char* memory(uint64_t physical) { return core.memory().data() + physical; }
};

}  // namespace dump_test
