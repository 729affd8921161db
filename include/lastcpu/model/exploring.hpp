// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bodies of search.hpp.

#include <lastcpu/model/search.hpp>

#include <algorithm>

namespace lastcpu::model {

// --- What can happen next

inline void search::list_moves() {
  world& w = m_.now;
  const size_t before = moves_.size();
  if (w.urgent != no_cpu) {
    for (uint32_t i = 0, n = m_.ways(w.urgent); i < n; ++i) add(move_kind::step, w.urgent, i);
    if (m_.ways(w.urgent) != 0) return;
    w.urgent = no_cpu;
  }
  const bool bounded = options_.switches != ~0u && w.last != no_cpu && m_.ways(w.last) != 0;
  for (cpu_id cpu = 0; cpu < m_.scenario.cpus; ++cpu) {
    if (bounded && cpu != w.last && w.switches_left == 0)
      cut_ = true;
    else
      list_moves_of(cpu, options_.time == deadlines::any_time);
  }
  if (moves_.size() != before) return;
  for (cpu_id cpu = 0; cpu < m_.scenario.cpus; ++cpu)
    if (w.cpu[cpu].pending.what == act::sleep && w.cpu[cpu].pending.at != no_deadline) add(move_kind::timeout, cpu);
}

inline void search::list_moves_of(cpu_id cpu, bool free) {
  const cpu_state& c = m_.now.cpu[cpu];
  for (uint32_t i = 0, n = m_.ways(cpu); i < n; ++i) add(move_kind::step, cpu, i);
  if (c.pending.what == act::sleep && !c.woken) {
    if (free && c.pending.at != no_deadline) add(move_kind::timeout, cpu);
    if (m_.now.spurious_left != 0) add(move_kind::spurious, cpu);
  }
  if (c.wedged || c.level == context::nmi) return;
  if (c.nmi_latched) add(move_kind::stop_nmi, cpu);
  if (m_.now.nmis_left != 0 && (options_.nmi_cpus >> cpu & 1) != 0) add(move_kind::injected_nmi, cpu);
  if (c.irq_latched && c.irqs_on && c.level == context::thread) add(move_kind::irq, cpu);
}

inline void search::apply(const move& mv) {
  world& w = m_.now;
  cpu_state& c = w.cpu[mv.cpu];
  if (w.mem.stores > max_stores / 2) w.mem.compact(m_.alive());
  ++out_.moves;
  ++w.depth;
  if (w.last != no_cpu && w.last != mv.cpu && w.switches_left != 0 && m_.ways(w.last) != 0) --w.switches_left;
  w.last = mv.cpu;
  w.urgent = no_cpu;
  switch (mv.kind) {
    case move_kind::step:
      m_.execute(mv.cpu, c.pending, mv.choice);
      if (w.over) return;
      break;
    case move_kind::stop_nmi:
    case move_kind::injected_nmi:
    case move_kind::irq:
      m_.interrupt_cpu(mv.cpu, mv.kind == move_kind::irq        ? interrupt::irq
                               : mv.kind == move_kind::stop_nmi ? interrupt::stop_nmi
                                                                : interrupt::injected_nmi);
      break;
    case move_kind::timeout:
      c.clock = c.pending.at;
      if (options_.time == deadlines::when_stuck) m_.now.mem.catch_up(mv.cpu);
      [[fallthrough]];
    case move_kind::spurious:
      if (mv.kind == move_kind::spurious) --w.spurious_left;
      c.done = mv.kind == move_kind::spurious;
      if (m_.recording)
        m_.record_for(mv.cpu, c.done ? "wakes up for no reason" : "waits no longer: the deadline passes");
      break;
  }
  m_.resume(mv.cpu);
}

// --- Snapshots

inline void search::save() {
  const auto put = [this](const void* from, size_t n) {
    const auto* p = static_cast<const unsigned char*>(from);
    snapshots_.insert(snapshots_.end(), p, p + n);
  };
  world& w = m_.now;
  if (w.mem.stores > w.mem.words + 16) w.mem.compact(m_.alive());
  const size_t head = offsetof(world, mem) + w.mem.bytes();
  put(&head, sizeof(head));
  put(&w, head);
  put(m_.scenario.object, m_.scenario.size);
  for (cpu_id cpu = 0; cpu < m_.scenario.cpus; ++cpu) put(w.cpu[cpu].stack, m_.stacks[cpu].used(w.cpu[cpu].stack));
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
  std::memcpy(m_.shadow(), from, m_.scenario.size);
  get(m_.scenario.object, m_.scenario.size);
  for (cpu_id cpu = 0; cpu < m_.scenario.cpus; ++cpu) {
    const fiber_stack::context stack = m_.now.cpu[cpu].stack;
    get(stack, m_.stacks[cpu].used(stack));
    fiber_stack::wipe_below(stack);
  }
}

inline void search::start() {
  m_.start();
  m_.now.nmis_left = options_.nmis;
  m_.now.spurious_left = options_.spurious;
  m_.now.switches_left = options_.switches;
  path_.clear();
  moves_.clear();
  frames_.clear();
  snapshots_.clear();
  at_ = 0;
}

// --- Depth first

inline void search::explore(uint32_t depth_limit) {
  start();
  states_.clear();
  edges_.clear();
  came_from_.assign(1, {});
  cut_ = false;
  do {
    (void)arrive(depth_limit);
    if (!m_.failure.empty() || m_.learned) return;
  } while (go_on());
}

// Whether there is something to explore from here.
inline bool search::arrive(uint32_t depth_limit) {
  const size_t first = moves_.size();
  if (!m_.now.over) list_moves();
  const size_t count = moves_.size() - first;
  out_.depth = std::max(out_.depth, static_cast<uint32_t>(path_.size()));
  if (count == 0) {
    if (options_.livelock) edges_.push_back({at_, 0});
    leaf();
    return false;
  }
  std::pair<uint32_t, bool> state{0, true};
  if (options_.reduce) {
    uint64_t h = m_.hash();
    if (options_.switches != ~0u) h = mix(h, uint64_t{m_.now.switches_left} << 32 | m_.now.last);
    state = states_.visit(h, static_cast<uint32_t>(path_.size()), by_depth_);
    if (options_.livelock) edges_.push_back({at_, state.first});
    if (options_.livelock && state.first == came_from_.size())
      came_from_.push_back({at_, path_.empty() ? move{} : path_.back()});
  }
  const bool too_deep = path_.size() >= depth_limit;
  if (too_deep || limit_ <= states_.count()) cut_ = true;
  if (!state.second || too_deep || limit_ <= states_.count()) {
    moves_.resize(first);
    return false;
  }
  frames_.push_back({snapshots_.size(), first, count, 0, static_cast<uint32_t>(path_.size()), state.first});
  if (count > 1) save();
  return true;
}

inline bool search::go_on() {
  while (!frames_.empty()) {
    frame& f = frames_.back();
    if (f.next == f.moves) {
      moves_.resize(f.first_move);
      snapshots_.resize(f.snapshot);
      frames_.pop_back();
      continue;
    }
    if (f.next != 0) restore(f.snapshot);
    path_.resize(f.depth);
    path_.push_back(moves_[f.first_move + f.next++]);
    at_ = f.id;
    apply(path_.back());
    return true;
  }
  return false;
}

inline void search::leaf() {
  if (!m_.failure.empty()) return;
  ++out_.runs;
  ++out_.ended[static_cast<uint32_t>(m_.now.end)];
  if (!m_.now.over && !m_.scenario.may_sleep) {
    for (cpu_id cpu = 0; cpu < m_.scenario.cpus; ++cpu)
      if (m_.now.cpu[cpu].pending.what == act::sleep)
        m_.fail(text_of("deadlock: CPU %u waits for ever, and nobody else can go on", cpu));
  }
  if (m_.failure.empty()) m_.scenario.finish(m_.now.end, m_.now.ended_by);
}

inline void search::random_walks(uint64_t runs) {
  std::mt19937_64 dice(options_.seed);
  start();
  save();
  for (uint64_t i = 0; i < runs && m_.failure.empty(); ++i) {
    restore(0);
    for (path_.clear(); m_.failure.empty() && path_.size() < options_.max_depth;) {
      moves_.clear();
      if (!m_.now.over) list_moves();
      if (moves_.empty()) break;
      path_.push_back(moves_[dice() % moves_.size()]);
      apply(path_.back());
    }
    leaf();
    if (path_.size() >= options_.max_depth) m_.fail("livelock: a run does not come to an end");
  }
}

}  // namespace lastcpu::model
