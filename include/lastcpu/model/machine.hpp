// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine that the model explores: CPUs as fibers, their operations, interrupts and NMIs.
//
// Every operation on a shared word is announced before it acts, and the search (search.hpp) decides who acts next.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/machine_state.hpp>

namespace lastcpu::model {

class machine : public machine_state {
 public:
  using machine_state::machine_state;
  inline static machine* running = nullptr;

  // --- For the platform, on a fiber: what a CPU does around an operation

  /// Acts when the search says so. False: an interrupt came first, and who waits has to look again.
  bool perform(const operation& o) noexcept {
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

  /// Once a CPU has come or gone there is a word for that: 1 while it is away.
  [[nodiscard]] bool is_online(cpu_id cpu) noexcept {
    if (!is_word(away_ + cpu)) return true;
    const uint8_t w = word_of(away_ + cpu);
    if (!on_fiber()) return now.mem.word[w].value == 0;
    perform({.what = act::load, .word = w});
    return me().result == 0;
  }
  void set_online(bool on) noexcept {
    const uint8_t w = word_of(away_ + current_);
    learn(w, contended);
    perform({.what = act::store, .word = w, .desired = !on});
    me().deaf = !on;
    me().nmi_latched = me().irq_latched = false;
    me().before_nmi = me().before_irq = {};
  }

  /// Interrupts are off from here on; one may still come just before. Whether they were on.
  bool mask_irqs() noexcept {
    const bool were_on = me().irqs_on;
    if (were_on && me().level == context::thread && takes_irqs(current_)) perform({.what = act::mask});
    me().irqs_on = false;
    return were_on;
  }

  // --- For the search

  void start() {
    now = {};
    now.nmis_left = asked.nmis;
    now.spurious_left = asked.spurious;
    now.switches_left = asked.switches;
    failure.clear();
    current_ = no_cpu;
    now.ended_by = now.urgent = now.last = no_cpu;
    subject = &make_();
    forget_writes();
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
      now.cpu[cpu].irqs_on = true;
      now.cpu[cpu].stack = stacks[cpu].start(enter);
    }
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) resume(cpu);
  }

  // A CPU that sleeps now has nothing to go on with.
  void resume(cpu_id cpu) noexcept {
    cpu_state& c = now.cpu[cpu];
    if (now.over || c.asleep) return;
    current_ = cpu;
    undecided_ = 0;
    c.stack = boost::context::detail::jump_fcontext(c.stack, nullptr).fctx;
    current_ = no_cpu;
    fiber_stack::wipe_below(c.stack);
  }

  void interrupt_cpu(cpu_id cpu, interrupt which) noexcept {
    cpu_state& c = now.cpu[cpu];
    static constexpr const char* names[] = {"", "takes an interrupt", "takes a stop NMI", "takes an NMI"};
    record(cpu, names[static_cast<uint32_t>(which)]);
    if (which == interrupt::injected_nmi) {
      --now.nmis_left;
      // The handler's first operation comes at once: a run in which others act before it ends as one in which the NMI comes
      // later. Not so for a request that was sent: once it is taken, another one may be latched before the handler acts.
      now.urgent = cpu;
    } else {
      (which == interrupt::irq ? c.irq_latched : c.nmi_latched) = false;
      now.mem.seen_by[cpu].join(which == interrupt::irq ? c.before_irq : c.before_nmi);
    }
    c.asleep = c.woken = false;
    c.signal = which;
  }

  void end_wait(cpu_id cpu, bool in_time, const char* why) noexcept {
    cpu_state& c = now.cpu[cpu];
    record(cpu, why);
    if (!in_time) c.clock = c.pending.at;
    c.done = in_time;
    c.asleep = c.woken = false;
  }

  /// How many ways to act the pending operation has; 0 while it can't act.
  [[nodiscard]] uint32_t ways(cpu_id cpu) noexcept {
    const cpu_state& c = now.cpu[cpu];
    const operation& o = c.pending;
    if (o.what == act::choose) return static_cast<uint32_t>(o.wanted);
    if (c.asleep) return c.woken ? 1 : 0;
    if (o.what == act::idle) return 0;
    if (o.what != act::load && o.what != act::wait && o.what != act::exchange) return 1;
    if (has_one_value(o.word)) return 1;
    uint32_t n = 1;
    while (chosen(cpu, n) != no_store) ++n;
    return n;
  }

  /// The pending operation acts.
  void execute(cpu_id cpu, uint32_t choice) noexcept {
    cpu_state& c = now.cpu[cpu];
    const operation& o = c.pending;
    if (o.what == act::wake) {
      wake(cpu, o.word);
    } else if (o.what == act::send) {
      send(cpu, static_cast<uint32_t>(o.wanted), o.desired != 0);
    } else if (o.what == act::force) {
      take_away(cpu, static_cast<cpu_id>(o.wanted));
    } else if (o.what == act::mask) {
      c.irqs_on = false;
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

 private:
  static void enter(fiber_stack::transfer from) noexcept {
    running->search_ = from.fctx;
    running->subject->run(running->current_);
    for (;;) running->perform({.what = act::idle});
  }

  void take_interrupt() noexcept {
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

  // The store that is read: of an exchange that succeeds the newest, of a wait what it was woken for or a later one.
  [[nodiscard]] uint16_t chosen(cpu_id cpu, uint32_t choice) noexcept {
    const operation& o = now.cpu[cpu].pending;
    memory& mem = now.mem;
    const stamp woken = o.what == act::wait ? mem.word[o.word].woken : stamp{0};
    const stamp oldest = std::max(woken, mem.seen_by[cpu].at[o.word]);
    uint32_t back = 0;
    for (uint16_t s = mem.newest(o.word); s != no_store && mem.store[s].at >= oldest; s = mem.store[s].older) {
      if (back > asked.stale) return no_store;
      const bool counts = back++ == 0 || o.what != act::exchange || mem.store[s].value != o.wanted;
      if (counts && choice-- == 0) return s;
    }
    return no_store;
  }

  void access(cpu_id cpu, uint32_t choice) noexcept {
    cpu_state& c = now.cpu[cpu];
    const operation& o = c.pending;
    memory& mem = now.mem;
    if (has_one_value(o.word) && !mem.touch(cpu, o.word)) learn(o.word, contended);
    const bool quiet = has_one_value(o.word);
    const uint16_t from = quiet || o.what == act::store ? no_store : chosen(cpu, choice);
    c.result = o.what == act::store ? 0 : quiet ? mem.word[o.word].value : mem.store[from].value;
    const bool same = c.result == o.wanted;
    const bool writes = o.what == act::store || o.what == act::add || (o.what == act::exchange && same);
    const uint64_t value = o.what == act::add ? (c.result + o.desired) & o.wanted : o.desired;
    if (from != no_store) mem.read(cpu, o.word, from, o.what == act::exchange && !same ? o.failure : o.success);
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

  void wake(cpu_id cpu, uint32_t w) noexcept {
    if (recording) record(cpu, "wakes who sleeps on " + name_of(known_[w].place));
    word_record& r = now.mem.word[w];
    r.woken = std::max(r.woken, now.mem.seen_by[cpu].at[w]);
    for (cpu_id other = 0; other < cpus; ++other) {
      cpu_state& c = now.cpu[other];
      if (c.asleep && c.pending.word == w) c.woken = true;
    }
  }

  // It does nothing any more, and takes no interrupt. What it has stored is visible to who has done that.
  void take_away(cpu_id by, cpu_id target) noexcept {
    record(by, "takes CPU " + std::to_string(target) + " away");
    cpu_state& c = now.cpu[target];
    c.pending = {.what = act::idle};
    c.asleep = c.woken = c.nmi_latched = c.irq_latched = false;
    c.before_nmi = c.before_irq = {};
    c.parked = c.deaf = true;
    now.mem.seen_by[by].join(now.mem.seen_by[target]);
  }

  void send(cpu_id from, uint32_t targets, bool nmi) noexcept {
    record(from, nmi ? "sends NMIs" : "sends interrupts");
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
      cpu_state& c = now.cpu[cpu];
      if ((targets >> cpu & 1) == 0 || c.deaf) continue;
      if (!nmi) learn(word_of(irqs_ + cpu), interrupted);
      (nmi ? c.nmi_latched : c.irq_latched) = true;
      (nmi ? c.before_nmi : c.before_irq).join(now.mem.seen_by[from]);
    }
  }
};

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
