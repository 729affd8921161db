// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bodies of machine.hpp: what an operation does once it is its turn, and what a CPU does around it.

#include <lastcpu/model/machine.hpp>

namespace lastcpu::model {

// --- What a CPU does around an operation

inline bool machine::perform(const operation& o) noexcept {
  note_plain_writes();
  me().pending = o;
  if (is_quiet(o)) {
    execute(current_, 0);
    return true;
  }
  for (;;) {
    yield();
    if (me().signal == interrupt::none) return true;
    take_interrupt();
    if (o.what == act::wait) return false;
    me().pending = o;
  }
}

inline void machine::take_interrupt() noexcept {
  cpu_state& c = me();
  const interrupt which = c.signal;
  const context before = c.level;
  c.signal = interrupt::none;
  c.level = which == interrupt::irq ? context::irq : context::nmi;
  which == interrupt::irq ? subject->irq(current_) : subject->nmi(current_, which);
  note_plain_writes();
  record(current_, "returns from it");
  c.level = before;
}

inline void machine::fail(const std::string& why) noexcept {
  if (failure.empty()) failure = why;
  now.over = true;
  if (!on_fiber()) return;
  record(current_, "FAILS: " + why);
  for (;;) yield();
}

inline void machine::start() {
  now = {};
  failure.clear();
  current_ = no_cpu;
  now.ended_by = now.urgent = now.last = no_cpu;
  subject = &make_();
  std::memcpy(shadow(), object, object_size);
  for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
    now.cpu[cpu].irqs_on = true;
    now.cpu[cpu].stack = stacks[cpu].start(enter);
  }
  for (cpu_id cpu = 0; cpu < cpus; ++cpu) resume(cpu);
}

// A CPU that sleeps now has nothing to go on with.
inline void machine::resume(cpu_id cpu) noexcept {
  cpu_state& c = now.cpu[cpu];
  if (now.over || c.asleep) return;
  current_ = cpu;
  undecided_ = 0;
  c.stack = boost::context::detail::jump_fcontext(c.stack, nullptr).fctx;
  current_ = no_cpu;
  fiber_stack::wipe_below(c.stack);
}

// --- What an operation does

inline uint32_t machine::ways(cpu_id cpu) noexcept {
  const cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  if (o.what == act::choose) return static_cast<uint32_t>(o.wanted);
  if (c.asleep) return c.woken ? 1 : 0;
  if (o.what == act::idle) return 0;
  if (o.what != act::load && o.what != act::wait && o.what != act::exchange) return 1;
  if (has_one_value(o.word)) return 1;
  uint32_t n = 1;
  while (n < 255 && chosen(cpu, n) != no_store) ++n;
  return n;
}

// The store that is read: of an exchange that succeeds the newest, of a wait what it was woken for or a later one.
inline uint16_t machine::chosen(cpu_id cpu, uint32_t choice) noexcept {
  const operation& o = now.cpu[cpu].pending;
  const stamp floor = o.what == act::wait ? now.mem.word[o.word].woken : stamp{0};
  for (uint32_t back = 0;; ++back) {
    const uint16_t s = now.mem.readable(cpu, o.word, back);
    if (s == no_store || back > stale || now.mem.store[s].at < floor) return no_store;
    const bool counts = back == 0 || o.what != act::exchange || now.mem.store[s].value != o.wanted;
    if (counts && choice-- == 0) return s;
  }
}

inline void machine::access(cpu_id cpu, uint32_t choice) noexcept {
  cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  memory& mem = now.mem;
  if (has_one_value(o.word) && !mem.touch(cpu, o.word)) learn(o.word, contended);
  const bool quiet = has_one_value(o.word);
  const uint16_t from = quiet || o.what == act::store ? no_store : chosen(cpu, choice);
  c.result = o.what == act::store ? 0 : quiet ? mem.word[o.word].value : mem.store[from].value;
  const bool same = c.result == o.wanted;
  const bool writes = o.what == act::store || o.what == act::add || (o.what == act::exchange && same);
  const uint64_t value = o.what == act::add ? c.result + o.desired : o.desired;
  if (from != no_store) mem.read(cpu, from, o.what == act::exchange && !same ? o.failure : o.success);
  c.done = writes || o.what == act::wait;
  if (o.what == act::wait) {
    learn(o.word, slept_on);
    c.asleep = same;
  }
  if (recording) describe(cpu, from, writes ? &value : nullptr);
  if (!writes) return;
  if (quiet)
    mem.word[o.word].value = value;
  else
    mem.write(cpu, o.word, value, o.success, from, static_cast<uint16_t>(events.size()));
}

inline void machine::execute(cpu_id cpu, uint32_t choice) noexcept {
  cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  if (o.what == act::wake) {
    wake(cpu, o.word);
  } else if (o.what == act::send) {
    send(cpu, static_cast<uint32_t>(o.wanted), o.desired != 0);
  } else if (o.what == act::choose) {
    c.result = choice;
    record(cpu, "chooses " + std::to_string(choice));
  } else if (o.what == act::finish) {
    static constexpr const char* ends[] = {"", "JUMPS", "RESTARTS", "HALTS"};
    record(cpu, ends[o.desired]);
    now.over = true;
    now.end = static_cast<ending>(o.desired);
    now.ended_by = cpu;
  } else if (c.asleep) {
    end_wait(cpu, true, "is woken");
  } else {
    access(cpu, choice);
  }
}

inline void machine::wake(cpu_id cpu, uint32_t w) noexcept {
  if (recording) record(cpu, "wakes who sleeps on " + name_of(known_[w].place));
  word_record& r = now.mem.word[w];
  if (r.woken < now.mem.seen_by[cpu].at[w]) r.woken = now.mem.seen_by[cpu].at[w];
  for (cpu_id other = 0; other < cpus; ++other) {
    cpu_state& c = now.cpu[other];
    if (c.asleep && c.pending.word == w) c.woken = true;
  }
}

inline void machine::send(cpu_id from, uint32_t targets, bool nmi) noexcept {
  record(from, nmi ? "sends NMIs" : "sends interrupts");
  for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
    cpu_state& c = now.cpu[cpu];
    if ((targets >> cpu & 1) == 0 || c.deaf) continue;
    (nmi ? c.nmi_latched : c.irq_latched) = true;
    c.latched.join(now.mem.seen_by[from]);
  }
}

inline void machine::interrupt_cpu(cpu_id cpu, interrupt which) noexcept {
  cpu_state& c = now.cpu[cpu];
  static constexpr const char* names[] = {"", "takes an interrupt", "takes a stop NMI", "takes an NMI"};
  record(cpu, names[static_cast<uint32_t>(which)]);
  if (which == interrupt::injected_nmi) {
    --now.nmis_left;
  } else {
    (which == interrupt::irq ? c.irq_latched : c.nmi_latched) = false;
    now.mem.seen_by[cpu].join(c.latched);
  }
  c.asleep = c.woken = false;
  c.signal = which;
  now.urgent = cpu;
}

}  // namespace lastcpu::model
