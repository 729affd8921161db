// SPDX-License-Identifier: BSL-1.0
#pragma once
// Every outcome that a program may have, by brute force: all orders of events, of each read all stores that the axioms
// leave (axioms.hpp). Nothing here knows the checker.
//
// What is no memory: a handler stands in the program order of its CPU, an NMI's anywhere, not in another NMI's, an
// interrupt's in a thread with interrupts on. A send happens before the handler that it causes, which is one for all
// sends since the last one was taken. A wait that is interrupted compares again. At most as many NMIs and spurious wake-ups
// come as the program says. Where nobody can go on without, or at any time, a deadline passes; where nobody could go on, its
// CPU has seen every store then, which orders nothing.

#include "race/model/axioms.hpp"

namespace lastcpu::test {

class allowed_outcomes {
 public:
  /// Gives up when there are more than `most` executions.
  allowed_outcomes(const program& p, uint64_t most) : p_(p), most_(most) {
    for (uint32_t w = 0; w < most_words; ++w) order_.add({.store = true, .word = w}, 0);
    for (cpu_at& c : now_.cpu) c.past = execution::bit(order_.size) - 1;
    now_.nmis = p.nmis;
    now_.spurious = p.spurious;
    for (cpu_id cpu = 0; cpu < p.cpus; ++cpu) skip_what_is_no_event(cpu);
    go_on();
  }
  [[nodiscard]] bool complete() const { return executions_ <= most_; }
  [[nodiscard]] const outcomes& all() const { return all_; }

 private:
  using set = execution::set;
  struct cpu_at {
    uint32_t depth = 0;  // how many handlers it is in, and of each which, and where
    level in[levels] = {};
    size_t next[levels] = {};
    bool asleep = false, woken = false, irqs_on = true;
    bool latched[levels] = {};
    set sent[levels] = {};  // what happens before the handler
    set past = 0;           // what happens before its next event
    uint64_t clock = 0;
    uint64_t log[levels] = {};
  };
  struct moment {
    cpu_at cpu[most_cpus];
    uint32_t nmis, spurious;
  };

  [[nodiscard]] const instruction* next_of(cpu_id cpu) const {
    const cpu_at& c = now_.cpu[cpu];
    const level l = c.in[c.depth];
    const code& all = l == in_irq ? p_.irq : l == in_nmi ? p_.nmi : p_.thread[cpu];
    return c.next[c.depth] < all.size() ? &all[c.next[c.depth]] : nullptr;
  }
  void done(cpu_at& c, const instruction& i, uint64_t value) {
    if (i.noted) note_down(c.log[c.in[c.depth]], value);
    ++c.next[c.depth];
  }
  // A handler that returns, interrupts that are on again, a wait whose deadline has passed before.
  void skip_what_is_no_event(cpu_id cpu) {
    cpu_at& c = now_.cpu[cpu];
    for (;;) {
      const instruction* i = next_of(cpu);
      if (i == nullptr && c.depth == 0) return;
      if (i == nullptr) {
        --c.depth;
        continue;
      }
      if (i->what == verb::irqs_on)
        c.irqs_on = true;
      else if (i->what != verb::wait || c.clock < i->deadline)
        return;
      done(c, *i, 0);
    }
  }
  void add(cpu_at& c, execution::event e) {
    order_.add(e, c.past);
    c.past |= execution::bit(order_.size - 1);
  }
  // From what `act` does on, every execution; then back.
  template <class F>
  void branch(cpu_id cpu, F act) {
    const moment before = now_;
    const uint32_t size = order_.size;
    act(now_.cpu[cpu]);
    skip_what_is_no_event(cpu);
    if (order_.size == execution::most_events) executions_ = most_ + 1;
    go_on();
    now_ = before;
    order_.size = size;
  }

  // --- What a CPU may do next

  void read(cpu_id cpu, const instruction& i, uint32_t from) {
    const uint64_t value = order_[from].value;
    const bool same = value == i.wanted;
    const bool stores = i.what == verb::add || (i.what == verb::exchange && same);
    if (stores && from != order_.newest(i.word)) return;
    branch(cpu, [&](cpu_at& c) {
      const order o = i.what == verb::wait ? order::relaxed : i.what == verb::exchange && !same ? i.failure : i.success;
      if (o == order::acquire || o == order::acq_rel) c.past |= order_.released_to_reader_of(from);
      add(c, {.store = stores,
              .release = o == order::release || o == order::acq_rel,
              .word = i.word,
              .value = i.what == verb::add ? value + i.value : i.value,
              .from = stores ? from : execution::none,
              .known = execution::bit(from)});
      c.asleep = i.what == verb::wait && same;
      if (!c.asleep) done(c, i, i.what == verb::wait ? 1 : value);
    });
  }
  void step(cpu_id cpu, const instruction& i) {
    const bool waits = i.what == verb::wait;
    if (i.what == verb::load || i.what == verb::exchange || i.what == verb::add || waits) {
      const set past = now_.cpu[cpu].past | (waits ? order_.before_wakes_of(i.word) : 0);
      for (set from = order_.readable(i.word, past); from != 0; from &= from - 1)
        read(cpu, i, static_cast<uint32_t>(__builtin_ctzll(from)));
      return;
    }
    branch(cpu, [&](cpu_at& c) {
      if (i.what == verb::irqs_off) c.irqs_on = false;
      add(c, {.store = i.what == verb::store,
              .release = i.success == order::release,
              .wake = i.what == verb::wake,
              .word = i.word,
              .value = i.value});
      const level sent = i.what == verb::send_irq ? in_irq : i.what == verb::send_nmi ? in_nmi : in_thread;
      for (cpu_id other = 0; other < p_.cpus; ++other) {
        cpu_at& o = now_.cpu[other];
        if (i.what == verb::wake && o.asleep && next_of(other)->word == i.word) o.woken = true;
        if (sent == in_thread || (i.targets >> other & 1) == 0) continue;
        o.latched[sent] = true;
        o.sent[sent] |= c.past;
      }
      done(c, i, 0);
    });
  }
  void end_wait(cpu_id cpu, bool in_time) {
    branch(cpu, [&](cpu_at& c) {
      const instruction& i = *next_of(cpu);
      if (!in_time) c.clock = i.deadline;
      if (!in_time && !p_.any_time) {
        execution::event all;
        for (uint32_t w = 0; w < most_words; ++w) all.known |= order_.stores_to(w);
        add(c, all);
      }
      c.asleep = c.woken = false;
      done(c, i, in_time);
    });
  }
  void handle(cpu_id cpu, level l, set sent) {
    branch(cpu, [&](cpu_at& c) {
      c.asleep = c.woken = false;
      c.past |= sent;
      c.in[++c.depth] = l;
      c.next[c.depth] = 0;
    });
  }

  // --- Every order. False: there was nothing to do

  bool go_on_at(cpu_id cpu) {
    const cpu_at c = now_.cpu[cpu];
    const instruction* i = next_of(cpu);
    const bool step_is_next = i != nullptr && !c.asleep;
    const bool times_out = p_.any_time && may_time_out(cpu);
    const bool nmi = c.latched[in_nmi] && c.in[c.depth] != in_nmi;
    const bool irq = c.latched[in_irq] && c.irqs_on && c.depth == 0;
    if (step_is_next) step(cpu, *i);
    if (c.woken) end_wait(cpu, true);
    if (times_out) end_wait(cpu, false);
    for (const level l : {in_irq, in_nmi}) {
      if (!(l == in_irq ? irq : nmi)) continue;
      now_.cpu[cpu].latched[l] = false;
      handle(cpu, l, c.sent[l]);
      now_.cpu[cpu].latched[l] = true;
    }
    return step_is_next || c.woken || times_out || nmi || irq;
  }
  void disturb(cpu_id cpu) {
    const cpu_at c = now_.cpu[cpu];
    const bool nmi = now_.nmis != 0 && (p_.nmi_cpus >> cpu & 1) != 0 && c.in[c.depth] != in_nmi;
    const bool spurious = now_.spurious != 0 && c.asleep && !c.woken;
    now_.nmis -= nmi;
    if (nmi) handle(cpu, in_nmi, 0);
    now_.nmis += nmi;
    now_.spurious -= spurious;
    if (spurious) end_wait(cpu, true);
    now_.spurious += spurious;
  }
  [[nodiscard]] bool may_time_out(cpu_id cpu) const {
    return now_.cpu[cpu].asleep && !now_.cpu[cpu].woken && next_of(cpu)->deadline != no_deadline;
  }
  void go_on() {
    if (!complete()) return;
    bool stuck = true;
    for (cpu_id cpu = 0; cpu < p_.cpus; ++cpu) stuck = !go_on_at(cpu) && stuck;
    for (cpu_id cpu = 0; cpu < p_.cpus; ++cpu) disturb(cpu);
    bool ends = stuck;
    for (cpu_id cpu = 0; stuck && cpu < p_.cpus; ++cpu) {
      ends = ends && !may_time_out(cpu);
      if (may_time_out(cpu)) end_wait(cpu, false);
    }
    if (ends) end();
  }
  void end() {
    ++executions_;
    outcome o;
    for (cpu_id cpu = 0; cpu < p_.cpus; ++cpu) {
      for (uint32_t l = 0; l < levels; ++l) o.log[cpu * levels + l] = now_.cpu[cpu].log[l];
      o.asleep |= uint64_t{now_.cpu[cpu].asleep} << cpu;
    }
    for (uint32_t w = 0; w < most_words; ++w) o.last[w] = order_[order_.newest(w)].value;
    all_.insert(o);
  }

  const program& p_;
  const uint64_t most_;
  uint64_t executions_ = 0;
  outcomes all_;
  moment now_{};
  execution order_;
};

}  // namespace lastcpu::test
