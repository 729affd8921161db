// SPDX-License-Identifier: BSL-1.0
#pragma once
// The axioms of C++20 for release and acquire, as relations over the events of one execution. Nothing here knows the checker.
//
// An execution is a total order of events that extends program order, in which a read comes after the store that it reads
// (reads-from) and the stores to a word stand in modification order: program order, reads-from and modification order
// are acyclic together, which leaves out load buffering and weak 2+2W, as the model does. Of it must hold:
//  - coherence: no read is of a store older than one that happens before it, nor than one that was read by a read that
//    happens before it (the rules for stores hold, since happens-before and modification order are parts of one order)
//  - atomicity: a read-modify-write reads the store just before its own
//  - synchronizes-with: an acquire, and the release store that it reads, or whose release sequence it reads from: that
//    goes on through read-modify-writes of any order, and ends at any other store

#include "race/model/random_program.hpp"

namespace lastcpu::test {

class execution {
 public:
  static constexpr uint32_t most_events = 64;
  static constexpr uint32_t none = ~0u;
  using set = uint64_t;  // of events
  static constexpr set bit(uint32_t e) noexcept { return set{1} << e; }

  struct event {
    bool store = false, release = false, wake = false;
    uint32_t word = 0;
    uint64_t value = 0;
    uint32_t from = none;  // of a read-modify-write: which store it read
    set before = 0;        // what happens before it
    set known = 0;         // the stores that no later read may be older than: its own, the one it read
  };

  uint32_t size = 0;

  [[nodiscard]] const event& operator[](uint32_t e) const noexcept { return events_[e]; }
  void add(event e, set before) noexcept {
    e.before = before;
    if (e.store) e.known |= bit(size);
    events_[size++] = e;
  }

  /// In modification order.
  [[nodiscard]] set stores_to(uint32_t word) const noexcept {
    set out = 0;
    for (uint32_t e = 0; e < size; ++e)
      if (events_[e].store && events_[e].word == word) out |= bit(e);
    return out;
  }
  [[nodiscard]] static uint32_t last_of(set s) noexcept { return 63 - static_cast<uint32_t>(__builtin_clzll(s)); }
  [[nodiscard]] uint32_t newest(uint32_t word) const noexcept { return last_of(stores_to(word)); }

  /// Coherence: the stores that a read may be of, with `past` happening before it.
  [[nodiscard]] set readable(uint32_t word, set past) const noexcept {
    set known = 0;
    for (uint32_t e = 0; e < size; ++e)
      if ((past & bit(e)) != 0) known |= events_[e].known;
    const set stores = stores_to(word);
    return stores & ~(bit(last_of(stores & known)) - 1);
  }
  /// Synchronizes-with: what happens before an acquire that reads `store`.
  [[nodiscard]] set released_to_reader_of(uint32_t store) const noexcept {
    set out = 0;
    for (uint32_t e = store; e != none; e = events_[e].from)
      if (events_[e].release) out |= events_[e].before | bit(e);
    return out;
  }
  /// A wait compares with nothing older than what any wake of its word before it knows.
  [[nodiscard]] set before_wakes_of(uint32_t word) const noexcept {
    set out = 0;
    for (uint32_t e = 0; e < size; ++e)
      if (events_[e].wake && events_[e].word == word) out |= events_[e].before;
    return out;
  }

 private:
  event events_[most_events];
};

}  // namespace lastcpu::test
