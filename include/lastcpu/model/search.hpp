// SPDX-License-Identifier: BSL-1.0
#pragma once
// Who goes on next, in every way there is: depth first over states, each explored once.
//
// A state is the scenario's bytes, what can still be read of every word, and the stacks; it is known by a hash of 64
// bits (two of ten million states share one with a probability of about one in 400,000). A branch is taken up again by
// putting the bytes back. Also: every order without that (`reduce` off), a bound on context switches, random runs.

#include <lastcpu/model/machine.hpp>

#include <unordered_map>

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
  bool livelock = false;       // finds states from which nobody can come to an end; needs `reduce`
  bool shorten = true;         // looks for a shorter way to a failure
};

struct result {
  std::string failure;    // empty: every run is as it should be
  std::string choices;    // leads there again: replay()
  std::string chart;      // the run that fails; tools/chart draws it
  bool complete = false;  // no run was left out
  bool shortest = false;  // no run fails in fewer operations
  uint64_t states = 0, runs = 0, moves = 0;
  double seconds = 0;
};

/// A CPU takes a step, or something comes to it. The interrupts are model::interrupt.
enum class move_kind : uint8_t { step, irq, stop_nmi, injected_nmi, timeout, spurious };
struct move {
  move_kind kind;
  cpu_id cpu;
  uint32_t choice;
};

class search {
 public:
  search(machine& m, const options& o) : m_(m), options_(o) { m.reduce = o.reduce, m.stale = o.stale; }

  result run();
  /// One run along `choices`, with its events recorded.
  result follow(const std::string& choices);

 private:
  struct state {
    uint32_t pass;   // of the exploration that met it last
    uint32_t depth;  // where that met it
    bool can_end;    // some run from here comes to an end
  };

  void start();
  void explore();
  bool visit();
  [[nodiscard]] bool is_known(state& s) const noexcept;
  void random_walks(uint64_t runs);
  void leaf();
  void list_moves();
  void list_moves_of(cpu_id cpu);
  void add(move_kind kind, cpu_id cpu, uint32_t choice = 0) { moves_.push_back({kind, cpu, choice}); }
  void apply(uint32_t number);
  void save();
  void restore(size_t at);
  void find_livelock();
  void shorten();
  [[nodiscard]] std::string path_text() const;

  machine& m_;
  options options_;
  result out_;
  std::unordered_map<uint64_t, state> states_;
  std::vector<move> moves_;     // what can happen next
  std::vector<uint32_t> path_;  // what has happened: of each moves_ the number
  std::vector<unsigned char> snapshots_;
  bool cut_ = false;       // a run was left out
  bool by_depth_ = false;  // explores a state once more when it is met in a shorter way
  uint32_t pass_ = 0;
  bool ends_are_known_ = false, found_an_end_ = false;  // of the states in states_
};

}  // namespace lastcpu::model
