// SPDX-License-Identifier: BSL-1.0
#pragma once
// Who goes on next, in every way there is: depth first over states, each explored once.
//
// A state is the scenario's bytes, what can still be read of every word, and the stacks; it is known by a hash of 64
// bits (two of ten million states share one with a probability of about one in 400,000). A branch is taken up again by
// putting the bytes back. Also: every order without that (`reduce` off), a bound on context switches, random runs.

#include <lastcpu/model/machine.hpp>

#include <chrono>
#include <random>
#include <set>

namespace lastcpu::model {

enum class deadlines : uint8_t {
  when_stuck,  // time passes only where nobody can go on without: who can answer, answers
  any_time,    // a deadline may pass at any moment, or not
};

struct options {
  uint32_t nmis = 0;        // injected at any moment, so many in a run
  uint32_t nmi_cpus = ~0u;  // as a mask: on these CPUs
  uint32_t spurious = 0;    // so many waits end for no reason
  deadlines time = deadlines::when_stuck;
  uint32_t stale = ~0u;      // a load sees at most so many stores back
  uint32_t switches = ~0u;   // at most so many switches away from a CPU that could go on
  uint64_t random_runs = 0;  // not exhaustive: so many runs, by seed
  uint64_t seed = 1;
  uint64_t max_states = 30'000'000;
  uint32_t max_depth = 5'000;  // operations in one run
  bool reduce = true;          // false: no quiet words, no state left out: every order, one by one
  bool livelock = false;       // finds states from which nobody can come to an end
  bool shorten = true;         // looks for a shorter way to a failure
};

struct result {
  std::string failure;     // empty: every run is as it should be
  std::string choices;     // leads there again: replay()
  std::string chart, svg;  // the run that fails, drawn
  bool complete = false;   // no run was left out
  bool shortest = false;   // no run fails in fewer operations
  uint64_t states = 0, runs = 0, moves = 0;
  uint64_t ended[4]{};  // runs by model::ending
  uint32_t depth = 0;   // of the longest run
  double seconds = 0;
  std::set<uint64_t> outcomes;  // what outcome() was told
};

enum class move_kind : uint8_t { step, stop_nmi, injected_nmi, irq, timeout, spurious };
struct move {
  move_kind kind;
  uint8_t cpu, choice;
  bool operator==(const move&) const = default;
};

/// A set of states, each with a number and the depth at which it was met.
class state_set {
 public:
  struct entry {
    uint64_t key;
    uint32_t id, depth;
  };
  void clear() {
    entries_.assign(1 << 16, entry{});
    count_ = 0;
  }
  [[nodiscard]] uint32_t count() const noexcept { return count_; }
  /// The entry for `key`, and whether it is to be explored: it is new, or was met deeper down than now.
  std::pair<uint32_t, bool> visit(uint64_t key, uint32_t depth, bool by_depth) {
    if (count_ * 3 > entries_.size() * 2) grow();
    entry& e = find(key);
    if (e.id != 0 && (!by_depth || depth >= e.depth)) return {e.id, false};
    if (e.id == 0) e = {key, ++count_, depth};
    e.depth = depth;
    return {e.id, true};
  }

 private:
  entry& find(uint64_t key) noexcept {
    size_t i = (key ^ key >> 32) & (entries_.size() - 1);
    while (entries_[i].id != 0 && entries_[i].key != key) i = (i + 1) & (entries_.size() - 1);
    return entries_[i];
  }
  void grow() {
    std::vector<entry> old(entries_.size() * 2);
    old.swap(entries_);
    for (const entry& e : old)
      if (e.id != 0) find(e.key) = e;
  }
  std::vector<entry> entries_;
  uint32_t count_ = 0;
};

class search {
 public:
  search(machine& m, const options& o) : m_(m), options_(o) { m.reduce = o.reduce, m.stale = o.stale; }

  result run();
  /// One run along `choices`, with its events recorded.
  void follow(const std::string& choices);

 private:
  struct frame {
    size_t snapshot, first_move, moves, next;
    uint32_t depth, id;
  };

  void explore(uint32_t depth_limit);
  void random_walks(uint64_t runs);
  bool arrive(uint32_t depth_limit);
  bool go_on();
  void leaf();
  void list_moves();
  void list_moves_of(cpu_id cpu, bool free);
  void add(move_kind kind, cpu_id cpu, uint32_t choice = 0) {
    moves_.push_back({kind, static_cast<uint8_t>(cpu), static_cast<uint8_t>(choice)});
  }
  void apply(const move& m);
  void save();
  void restore(size_t at);
  void start();
  void shorten();
  void find_livelock();
  [[nodiscard]] std::string path_text() const;

  machine& m_;
  options options_;
  result out_;
  state_set states_;
  std::vector<move> path_, moves_;
  std::vector<frame> frames_;
  std::vector<unsigned char> snapshots_;
  bool by_depth_ = false, cut_ = false;
  uint64_t limit_ = 0;
  uint32_t at_ = 0;                                   // the state that the next move starts from
  std::vector<std::pair<uint32_t, uint32_t>> edges_;  // for livelocks; 0 is "over"
  std::vector<std::pair<uint32_t, move>> came_from_;
};

}  // namespace lastcpu::model
