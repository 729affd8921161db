// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bodies of search.hpp: what can happen next, and to let it happen in every order.

#include <lastcpu/model/search.hpp>

#include <algorithm>
#include <random>

namespace lastcpu::model {

// --- What can happen next

inline void search::list_moves() {
  moves_.clear();
  world& w = m_.now;
  if (w.over) return;
  if (w.urgent != no_cpu) {
    for (uint32_t i = 0, n = m_.ways(w.urgent); i < n; ++i) add(move_kind::step, w.urgent, i);
    if (!moves_.empty()) return;
    w.urgent = no_cpu;
  }
  const bool bounded = w.switches_left == 0 && w.last != no_cpu && m_.ways(w.last) != 0;
  for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu) {
    if (bounded && cpu != w.last)
      cut_ = true;
    else
      list_moves_of(cpu);
  }
  if (!moves_.empty()) return;
  for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu)
    if (w.cpu[cpu].asleep && w.cpu[cpu].pending.at != no_deadline) add(move_kind::timeout, cpu);
}

inline void search::list_moves_of(cpu_id cpu) {
  const cpu_state& c = m_.now.cpu[cpu];
  for (uint32_t i = 0, n = m_.ways(cpu); i < n; ++i) add(move_kind::step, cpu, i);
  if (c.asleep && !c.woken) {
    if (options_.time == deadlines::any_time && c.pending.at != no_deadline) add(move_kind::timeout, cpu);
    if (m_.now.spurious_left != 0) add(move_kind::spurious, cpu);
  }
  if (c.deaf || c.level == context::nmi) return;
  if (c.nmi_latched) add(move_kind::stop_nmi, cpu);
  if (m_.now.nmis_left != 0 && (options_.nmi_cpus >> cpu & 1) != 0) add(move_kind::injected_nmi, cpu);
  if (c.irq_latched && c.irqs_on && c.level == context::thread) add(move_kind::irq, cpu);
}

inline void search::apply(uint32_t number) {
  world& w = m_.now;
  const move mv = moves_[number];
  path_.push_back(number);
  ++out_.moves;
  if (w.mem.stores > max_stores / 2) w.mem.compact(m_.alive());
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

inline void search::start() {
  m_.start();
  m_.now.nmis_left = options_.nmis;
  m_.now.spurious_left = options_.spurious;
  m_.now.switches_left = options_.switches;
  path_.clear();
  snapshots_.clear();
}

inline void search::explore() {
  m_.learned = cut_ = found_an_end_ = false;
  out_ = {};
  ++pass_;
  start();
  (void)visit();
}

// Depth first. Whether some run from here comes to an end, as far as is known yet.
inline bool search::visit() {
  list_moves();
  if (moves_.empty()) {
    leaf();
    return true;
  }
  state unknown{};
  state& s = options_.reduce ? states_[m_.hash()] : unknown;
  if (is_known(s)) return s.can_end;
  if (ends_are_known_ && !s.can_end) m_.fail("livelock: from here nobody can come to an end");
  const bool too_many = path_.size() >= options_.max_depth || states_.size() >= options_.max_states;
  cut_ = cut_ || too_many;
  const std::vector<move> moves = moves_;
  const size_t depth = path_.size();
  const size_t snapshot = snapshots_.size();
  if (moves.size() > 1) save();
  for (uint32_t i = 0; i < moves.size() && !too_many && m_.failure.empty() && !m_.learned; ++i) {
    if (i != 0) restore(snapshot);
    moves_ = moves;
    path_.resize(depth);
    apply(i);
    if (!visit() || s.can_end) continue;
    s.can_end = found_an_end_ = true;
  }
  snapshots_.resize(snapshot);
  return s.can_end;
}

inline bool search::is_known(state& s) const noexcept {
  const auto depth = static_cast<uint32_t>(path_.size());
  if (s.pass == pass_ && !(by_depth_ && depth < s.depth)) return true;
  s.pass = pass_;
  s.depth = depth;
  return false;
}

inline void search::leaf() {
  if (!m_.failure.empty()) return;
  ++out_.runs;
  for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu)
    if (!m_.now.over && m_.now.cpu[cpu].asleep && !m_.subject->may_sleep())
      m_.fail(numbered("deadlock: CPU ", cpu) + " waits for ever, and nobody else can go on");
  if (m_.failure.empty()) m_.subject->finish(m_.now.end, m_.now.ended_by);
}

inline void search::random_walks(uint64_t runs) {
  std::mt19937_64 dice(options_.seed);
  m_.learned = false;
  out_ = {};
  start();
  save();
  for (uint64_t i = 0; i < runs && m_.failure.empty(); ++i) {
    restore(0);
    path_.clear();
    for (list_moves(); !moves_.empty() && path_.size() < options_.max_depth; list_moves())
      apply(static_cast<uint32_t>(dice() % moves_.size()));
    leaf();
    if (path_.size() >= options_.max_depth) m_.fail("livelock: a run does not come to an end");
  }
}

// --- Snapshots

inline void search::save() {
  const auto put = [this](const void* from, size_t n) {
    const auto* p = static_cast<const unsigned char*>(from);
    snapshots_.insert(snapshots_.end(), p, p + n);
  };
  world& w = m_.now;
  w.mem.compact(m_.alive());
  const size_t head = offsetof(world, mem) + w.mem.bytes();
  put(&head, sizeof(head));
  put(&w, head);
  put(m_.object, m_.object_size);
  for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu) put(w.cpu[cpu].stack, m_.stacks[cpu].used(w.cpu[cpu].stack));
}

inline void search::restore(size_t at) {
  const unsigned char* from = snapshots_.data() + at;
  const auto get = [&from](void* to, size_t n) {
    std::memcpy(to, from, n);
    from += n;
  };
  size_t head = 0;
  get(&head, sizeof(head));
  get(&m_.now, head);
  get(m_.object, m_.object_size);
  std::memcpy(m_.shadow(), m_.object, m_.object_size);
  for (cpu_id cpu = 0; cpu < m_.cpus; ++cpu) {
    const fiber_stack::context stack = m_.now.cpu[cpu].stack;
    get(stack, m_.stacks[cpu].used(stack));
    fiber_stack::wipe_below(stack);
  }
}

}  // namespace lastcpu::model
