// SPDX-License-Identifier: BSL-1.0
#pragma once
// Who goes on next, in every way there is: depth first over states, each explored once.
//
// A state is the scenario's bytes, what can still be read of every word, and the stacks; it is known by a hash of 64
// bits (two of ten million states share one with a probability of about one in 400,000). A branch is taken up again by
// putting the bytes back. Also: every order without that (`reduce` off), a bound on context switches, random runs.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/machine.hpp>

#include <algorithm>
#include <random>
#include <unordered_map>

namespace lastcpu::model {

/// A CPU takes a step, or something comes to it. The interrupts are model::interrupt.
enum class move_kind : uint8_t { step, irq, stop_nmi, injected_nmi, timeout, spurious };
struct move {
  move_kind kind;
  cpu_id cpu;
  uint32_t choice;
};

class search {
 public:
  explicit search(machine& m) : m_(m), options_(m.asked) {}

  result run();
  /// One run along `choices`, with its events recorded.
  result follow(std::string choices);

 private:
  struct state {
    uint32_t pass;   // of the exploration that met it last
    uint32_t depth;  // where that met it
    bool can_end;    // some run from here comes to an end
  };

  // --- What can happen next

  void add(move_kind kind, cpu_id cpu, uint32_t choice = 0) { moves_.push_back({kind, cpu, choice}); }
  void add_steps(cpu_id cpu) {
    for (uint32_t i = 0, n = m_.ways(cpu); i < n; ++i) add(move_kind::step, cpu, i);
  }

  void list_moves() {
    moves_.clear();
    world& w = m_.now;
    if (w.over) return;
    if (w.urgent != no_cpu && w.cpu[w.urgent].level == context::nmi) add_steps(w.urgent);
    if (!moves_.empty()) return;
    w.urgent = no_cpu;
    const bool bounded = w.switches_left == 0 && w.last != no_cpu && m_.ways(w.last) != 0;
    cut_ = cut_ || (bounded && m_.cpus > 1);
    for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu)
      if (!bounded || cpu == w.last) list_moves_of(cpu);
    if (!may_end()) return;
    for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu)
      if (w.cpu[cpu].asleep && w.cpu[cpu].pending.at != no_deadline) add(move_kind::timeout, cpu);
  }

  // Nobody can go on but by what may as well not happen: an NMI that is injected, a wait that ends for no reason.
  [[nodiscard]] bool may_end() const {
    return std::all_of(moves_.begin(), moves_.end(), [](const move& m) {
      return m.kind == move_kind::injected_nmi || m.kind == move_kind::spurious;
    });
  }

  void list_moves_of(cpu_id cpu) {
    const cpu_state& c = m_.now.cpu[cpu];
    add_steps(cpu);
    if (c.asleep && !c.woken) {
      if (options_.time == deadlines::any_time && c.pending.at != no_deadline) add(move_kind::timeout, cpu);
      if (m_.now.spurious_left != 0) add(move_kind::spurious, cpu);
    }
    if (c.deaf || c.level == context::nmi) return;
    if (c.nmi_latched) add(move_kind::stop_nmi, cpu);
    if (m_.now.nmis_left != 0 && (options_.nmi_cpus >> cpu & 1) != 0) add(move_kind::injected_nmi, cpu);
    if (c.irq_latched && c.irqs_on && c.level == context::thread) add(move_kind::irq, cpu);
  }

  void apply(uint32_t number) {
    world& w = m_.now;
    const move mv = moves_[number];
    path_.push_back(number);
    ++out_.moves;
    if (w.mem.stores > max_stores / 2) w.mem.compact(m_.alive());
    if (w.mem.stores > max_stores - max_words) m_.fail("more stores that may still be read than the model can hold");
    if (options_.switches != ~0u) {
      if (w.last != no_cpu && w.last != mv.cpu && w.switches_left != 0 && m_.ways(w.last) != 0) --w.switches_left;
      w.last = mv.cpu;
    }
    w.urgent = no_cpu;
    if (mv.kind == move_kind::step) {
      m_.execute(mv.cpu, mv.choice);
    } else if (mv.kind == move_kind::timeout) {
      if (options_.time == deadlines::when_stuck) w.mem.catch_up(mv.cpu);
      m_.end_wait(mv.cpu, false, "waits no longer: the deadline passes");
    } else if (mv.kind == move_kind::spurious) {
      --w.spurious_left;
      m_.end_wait(mv.cpu, true, "wakes up for no reason");
    } else {
      m_.interrupt_cpu(mv.cpu, static_cast<interrupt>(mv.kind));
    }
    m_.resume(mv.cpu);
  }

  // --- In every order

  void start() {
    m_.start();
    path_.clear();
    snapshots_.clear();
  }

  void explore() {
    do {
      states_.clear();
      pass();
      if (options_.livelock) find_livelock();
    } while (m_.learned);
  }

  // What leads to an end is found by exploring again, until no state has an end that was not known to have one.
  void find_livelock() {
    while (found_an_end_ && m_.failure.empty() && !m_.learned) pass();
    ends_are_known_ = m_.failure.empty() && !m_.learned && !cut_;
    if (ends_are_known_) pass();
    ends_are_known_ = false;
  }

  void pass() {
    m_.learned = cut_ = found_an_end_ = false;
    out_ = {};
    ++pass_;
    start();
    (void)visit();
  }

  // Depth first. Whether some run from here comes to an end, as far as is known yet.
  bool visit() {
    list_moves();
    if (moves_.empty()) {
      leaf();
      return true;
    }
    const bool ends = may_end();
    state unknown{};
    state& s = options_.reduce ? states_[m_.hash()] : unknown;
    const auto depth = static_cast<uint32_t>(path_.size());
    if (s.pass == pass_ && !(by_depth_ && depth < s.depth)) return s.can_end;
    s.pass = pass_;
    s.depth = depth;
    if (ends_are_known_ && !s.can_end) m_.fail("livelock: from here nobody can come to an end");
    const bool too_many = depth >= options_.max_depth || states_.size() >= options_.max_states;
    cut_ = cut_ || too_many;
    const std::vector<move> moves = moves_;
    const size_t snapshot = snapshots_.size();
    if (moves.size() > 1 || ends) save();
    if (ends && !too_many) leaf();
    for (uint32_t i = 0; i < moves.size() && !too_many && m_.failure.empty() && !m_.learned; ++i) {
      if (i != 0 || ends) restore(snapshot);
      moves_ = moves;
      path_.resize(depth);
      apply(i);
      if (visit() && !s.can_end) s.can_end = found_an_end_ = true;
    }
    snapshots_.resize(snapshot);
    return s.can_end;
  }

  void leaf() {
    if (!m_.failure.empty()) return;
    ++out_.runs;
    for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu)
      if (!m_.now.over && m_.now.cpu[cpu].asleep && !m_.subject->may_sleep())
        m_.fail("deadlock: CPU " + std::to_string(cpu) + " waits for ever, and nobody else can go on");
    if (m_.failure.empty()) m_.subject->finish(m_.now.end, m_.now.ended_by);
  }

  void random_walks(uint64_t runs) {
    std::mt19937_64 dice(options_.seed);
    m_.learned = false;
    out_ = {};
    start();
    save();
    for (uint64_t i = 0; i < runs && m_.failure.empty(); ++i) {
      restore(0);
      path_.clear();
      for (list_moves(); !moves_.empty() && path_.size() < options_.max_depth; list_moves()) {
        if (may_end() && dice() % 2 == 0) break;
        apply(static_cast<uint32_t>(dice() % moves_.size()));
      }
      leaf();
      if (path_.size() >= options_.max_depth) m_.fail("livelock: a run does not come to an end");
    }
  }

  // --- Snapshots

  // What one is made of. The first parts say how long the others are.
  template <class Copy>
  void each_part(Copy copy) {
    world& w = m_.now;
    copy(w.cpu, m_.cpus * sizeof(cpu_state));
    copy(w.note, offsetof(world, mem.store) - offsetof(world, note));
    copy(w.mem.store, (w.mem.stores + 1) * sizeof(store_record));
    copy(m_.object, m_.object_size);
    for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu) copy(w.cpu[cpu].stack, m_.stacks[cpu].used(w.cpu[cpu].stack));
  }

  void save() {
    m_.now.mem.compact(m_.alive());
    each_part([this](const void* part, size_t n) {
      const auto* bytes = static_cast<const unsigned char*>(part);
      snapshots_.insert(snapshots_.end(), bytes, bytes + n);
    });
  }

  void restore(size_t at) {
    each_part([this, &at](void* part, size_t n) {
      std::memcpy(part, snapshots_.data() + at, n);
      at += n;
    });
    m_.forget_writes();
    for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu) fiber_stack::wipe_below(m_.now.cpu[cpu].stack);
  }

  // --- The verdict (search_run.hpp)

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

#include <lastcpu/detail/end.hpp>
