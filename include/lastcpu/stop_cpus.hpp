// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stopping every other CPU, once: who has answered, how, and with which registers.
//
// Each CPU has a record that only it writes: its registers, saved once, and its acknowledgement, the last store before
// it parks. The owner of the gate sends at most one request per rung to the CPUs that have not acknowledged, waits with
// a bound, and reads the records. A loser that has parked counts as stopped from its acknowledgement on, and gets no
// request. No counter is shared, so no acknowledgement is counted twice, too late or for another CPU.
// Cost: until the report is read, the owner moves the cache line of each record twice, once before the request and once
// for the acknowledgement. It writes to no record but its own.
// Not here: the request itself, which is the gate's phase `dumping` (panic_cpu.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/bounded_wait.hpp>
#include <lastcpu/detail/copy_plain.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/stop_report.hpp>

namespace lastcpu {

/// One way of asking, and how long to wait for the answers.
struct rung {
  stop_how how;
  uint32_t budget_us;
};

template <class P>
class stop_cpus {
  static_assert(platform_checked<P>);

 public:
  using registers = typename P::registers;
  using report_type = stop_report<P::max_cpus>;

  constexpr stop_cpus() noexcept = default;

  // --- For the CPU that stops. Interrupts off or NMI context. `me` is this CPU's number, or P::max_cpus for the one
  // CPU without a number that panics; with a larger number these do nothing.

  /// Saves `regs` (the caller's own where null) as this CPU's registers, unless it has saved some before: the first
  /// ones are nearest to the crash, and after the acknowledgement the owner may be reading them. When a fault or a stop
  /// NMI interrupts the first attempt, its handler may save its own registers instead; there is no third attempt.
  void save_registers(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_whole); }

  /// The same for the registers that belong to this CPU's message in panic_context::normal.
  void save_registers_of_panic(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_with_text); }

  /// Calls P::make_resettable(), unless this CPU has completed it. When a fault or a stop NMI interrupts the first
  /// attempt, a second one is made; there is no third.
  void make_resettable_once(cpu_id me) noexcept {
    if (is_done(me, resettable_done) || (!first_time(me, resettable_begun) && !first_time(me, resettable_again)))
      return;
    P::make_resettable();
    (void)first_time(me, resettable_done);
  }

  /// Counts how often this CPU begins to panic or to park, and answers how often it did before. A CPU that comes again
  /// and again has faulted there.
  /// relaxed load and store: only this CPU writes the word. An NMI between the two never returns, or is counted
  /// together with what it interrupted.
  [[nodiscard]] uint32_t count_descent(cpu_id me) noexcept {
    if (me > P::max_cpus) return 0;
    const uint32_t before = records_[me].descents.load(order::relaxed);
    records_[me].descents.store(before + 1, order::relaxed);
    return before;
  }

  /// True the first time: this CPU may run its self-stop hook, which is not run again when it faults.
  [[nodiscard]] bool may_run_hook(cpu_id me) noexcept { return first_time(me, hook_begun); }

  /// Acknowledges the stop: this CPU's registers are saved, and it runs nothing more. Does nothing while an earlier
  /// acknowledgement stands.
  /// (1) release: pairs with acquire (2). Who sees the acknowledgement may read the registers.
  void acknowledge(cpu_id me, stop_state how) noexcept {
    if (me > P::max_cpus) return;
    record& r = records_[me];
    if (r.ack.load(order::relaxed) != 0) return;
    detail::trace<P>(trace_kind::acknowledged, me, static_cast<uint32_t>(how));
    r.ack.store(static_cast<uint32_t>(how), order::release);  // (1)
    P::wake(r.ack, wake_reason::answered);
  }

  /// acknowledge(me, stop_state::parked) that calls nothing of the port's but its words: no trace, no wake.
  void acknowledge_quietly(cpu_id me) noexcept {
    if (me > P::max_cpus || records_[me].ack.load(order::relaxed) != 0) return;
    records_[me].ack.store(static_cast<uint32_t>(stop_state::parked), order::release);  // (1)
  }

  /// Wakes the owner that waits for this CPU's acknowledgement once more. For a stop handler: it may have interrupted
  /// this CPU in acknowledge() between the store and the wake, and does not return there.
  void wake_for(cpu_id me) noexcept {
    if (me <= P::max_cpus) P::wake(records_[me].ack, wake_reason::answered);
  }

  /// Takes the acknowledgement back. For a loser that has won the gate after all, before anything else.
  /// relaxed: the next to read it is this CPU, or an owner that acquires what this CPU releases by the gate later.
  void withdraw(cpu_id me) noexcept {
    if (!acknowledged(me)) return;
    records_[me].ack.store(0, order::relaxed);
    detail::trace<P>(trace_kind::withdrawn, me, 0);
  }

  [[nodiscard]] bool acknowledged(cpu_id cpu) const noexcept {
    return cpu <= P::max_cpus && records_[cpu].ack.load(order::acquire) != 0;  // (2) acquire: pairs with release (1)
  }

  /// It has acknowledged, or was forced: it runs nothing any more.
  [[nodiscard]] bool is_down(cpu_id cpu) const noexcept {
    if constexpr (detail::has_force_stop<P>)
      if (cpu < P::max_cpus && entry(cpu) == stop_state::forced) return true;
    return acknowledged(cpu);
  }

  // --- For the owner of the gate; `me` is its number. Interrupts off.

  /// Brings the report up to date: `silent` for every other online CPU that has not acknowledged. The owner calls it
  /// before it commits, so that the report is true even if it faults right after the commit. Does nothing after
  /// collect().
  void expect_all(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) != 0) return;
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) expect(cpu, me);
  }

  /// Asks the CPUs that have not acknowledged to stop, in the way `by.how`, and waits for them, `by.budget_us` at most.
  /// stop_how::forced takes them away; only a port with force_stop() has that. Each rung `number` runs once; a second call
  /// does nothing.
  void climb(cpu_id me, uint32_t number, rung by) noexcept {
    if (rungs_done_.load(order::relaxed) > number) return;
    rungs_done_.store(number + 1, order::relaxed);
    cpu_set<P::max_cpus> missing;
    const cpu_id limit = find_missing(me, missing);
    if (missing.empty()) return;
    missing.for_each([me](cpu_id cpu) { detail::trace<P>(trace_kind::stop_sent, me, cpu); });
    if constexpr (detail::has_force_stop<P>)
      if (by.how == stop_how::forced) return force(missing, limit, by.budget_us);
    P::send_stop(missing, by.how);
    detail::bounded_wait<P> wait{by.budget_us};
    // From the last one down: when the last one has acknowledged, most others have too, and the owner has slept once.
    for (cpu_id cpu = limit; cpu-- > 0;)
      if (missing.contains(cpu) && !await(cpu, wait)) return;
  }

  /// Reads every record for the last time. The report does not change any more, whoever acknowledges later.
  void collect(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) != 0) return;
    collected_.store(2, order::relaxed);  // first, so that the report stands also where a fault cuts this off
    cpu_set<P::max_cpus> missing;
    (void)find_missing(me, missing);
    if (missing.empty()) collected_.store(1, order::relaxed);
  }

  /// The report: as far as it is known, or, after collect(), for good.
  [[nodiscard]] report_type report() const noexcept {
    report_type out;
    report_to(out);
    return out;
  }
  /// The same into memory of the caller's: a report has a byte for each CPU, which a small stack has no room for.
  void report_to(report_type& out) const noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) {
      const stop_state state = entry(cpu);  // not the acknowledgement: it may have come after collect()
      out.set(cpu, state, (state == stop_state::running || has_answered(cpu)) && registers_of(cpu) != nullptr);
    }
    const uint32_t c = collected_.load(order::relaxed);
    out.set_status(c == 0 ? stop_status::none : c == 1 ? stop_status::stopped : stop_status::some_silent);
  }

  /// The report's entry for one CPU. For P::max_cpus `parked` once the CPU without a number has acknowledged.
  [[nodiscard]] stop_state state_of(cpu_id cpu) const noexcept {
    if (cpu == P::max_cpus) return static_cast<stop_state>(records_[cpu].ack.load(order::acquire));  // (2)
    return cpu < P::max_cpus ? entry(cpu) : stop_state::absent;
  }
  /// The same for the owner `me`, which may have no number.
  [[nodiscard]] stop_state state_of(cpu_id cpu, cpu_id me) const noexcept {
    return cpu == me ? stop_state::running : state_of(cpu);
  }

  /// The saved registers of a CPU that has acknowledged its stop, or the caller's own; null where there are none.
  [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return registers_of(cpu, P::this_cpu()); }
  [[nodiscard]] const registers* registers_of(cpu_id cpu, cpu_id me) const noexcept {
    if (cpu > P::max_cpus || (!acknowledged(cpu) && cpu != me)) return nullptr;
    return records_[cpu].saved.load(order::relaxed) >= saved_whole ? &records_[cpu].regs : nullptr;
  }
  /// This CPU's own saved registers, if they belong to its message in panic_context::normal; else null.
  [[nodiscard]] const registers* registers_of_panic(cpu_id me) const noexcept {
    if (me > P::max_cpus || records_[me].saved.load(order::relaxed) != saved_with_text) return nullptr;
    return &records_[me].regs;
  }

  /// Stops all other CPUs: expect_all(), climb() for each rung, collect(). A second call returns the first report. A
  /// caller that has not committed `gate` gets `not_the_arbiter`, and nothing is done.
  template <uint32_t N>
  report_type stop_others(const panic_cpu<P>& gate, const rung (&rungs)[N], cpu_id me = P::this_cpu()) noexcept {
    const gate_word now = gate.read();
    report_type out;  // returned on every path, so that no copy is made: it could be a call of memcpy
    if (!now.is_held_by(me) || !now.is_committed()) {
      out.set_status(stop_status::not_the_arbiter);
      return out;
    }
    if (collected_.load(order::relaxed) == 0) {
      expect_all(me);
      for (uint32_t i = 0; i < N; ++i) climb(me, i, rungs[i]);
      collect(me);
    }
    report_to(out);
    return out;
  }

 private:
  template <class T>
  using atomic = typename P::template atomic<T>;

  static constexpr uint32_t line = detail::cache_line<P>();
  static constexpr uint32_t saving_attempts = 2;
  static constexpr uint32_t saved_whole = 3;
  static constexpr uint32_t saved_with_text = 4;
  static constexpr uint32_t resettable_begun = 1;
  static constexpr uint32_t hook_begun = 2;
  static constexpr uint32_t resettable_again = 4;
  static constexpr uint32_t resettable_done = 8;

  // Written by its own CPU only.
  struct alignas(line) record {
    atomic<uint32_t> ack{};       // 0, or a stop_state
    atomic<uint32_t> saved{};     // how many attempts at the registers were begun, or saved_whole, or saved_with_text
    atomic<uint32_t> begun{};     // bits: what is done once or twice at most
    atomic<uint32_t> descents{};  // count_descent()
    registers regs{};
  };

  void save(cpu_id me, const registers* regs, uint32_t mark) noexcept {
    if (me > P::max_cpus) return;
    record& r = records_[me];
    const uint32_t attempt = r.saved.load(order::acquire);  // (4) acquire: pairs with release (3)
    if (attempt >= saving_attempts) return;
    r.saved.store(attempt + 1, order::relaxed);
    if (regs != nullptr)
      detail::copy_plain(r.regs, *regs);
    else
      P::capture_registers(r.regs);
    // (3) release: pairs with acquire (4), in an NMI on this CPU: if it sees the mark, the registers are whole. Other
    // CPUs read both after the acknowledgement.
    r.saved.store(mark, order::release);
  }

  [[nodiscard]] stop_state entry(cpu_id cpu) const noexcept {
    return static_cast<stop_state>(entries_[cpu].load(order::relaxed));
  }
  void set_entry(cpu_id cpu, stop_state s) noexcept { entries_[cpu].store(static_cast<uint32_t>(s), order::relaxed); }
  [[nodiscard]] bool has_answered(cpu_id cpu) const noexcept {
    const stop_state s = entry(cpu);
    return s >= stop_state::parked && s <= stop_state::forced;
  }

  [[nodiscard]] bool is_done(cpu_id me, uint32_t what) const noexcept {
    // (6) acquire: pairs with release (5).
    return me <= P::max_cpus && (records_[me].begun.load(order::acquire) & what) != 0;
  }
  [[nodiscard]] bool first_time(cpu_id me, uint32_t what) noexcept {
    if (me > P::max_cpus) return false;
    const uint32_t begun = records_[me].begun.load(order::relaxed);
    // (5) release: pairs with acquire (6), in an NMI on this CPU: if it sees that a thing is done, it is done.
    records_[me].begun.store(begun | what, order::release);
    return (begun & what) == 0;
  }

  // Brings the report's entry for one CPU up to date; true when that CPU has still to acknowledge.
  bool expect(cpu_id cpu, cpu_id me) noexcept {
    if (cpu == me) {
      set_entry(cpu, stop_state::running);
    } else if (const uint32_t ack = records_[cpu].ack.load(order::acquire); ack != 0) {  // (2)
      set_entry(cpu, static_cast<stop_state>(ack));
    } else if (P::is_online(cpu)) {
      set_entry(cpu, stop_state::silent);
      return true;
    } else if (entry(cpu) != stop_state::absent) {
      set_entry(cpu, stop_state::gone);
    }
    return false;
  }

  // The CPUs that have still to acknowledge; all of them are below the answer. An acknowledgement that was seen once
  // stands: only a CPU that wins the gate withdraws its own, and the owner keeps the gate.
  cpu_id find_missing(cpu_id me, cpu_set<P::max_cpus>& missing) noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (!has_answered(cpu) && expect(cpu, me)) missing.add(cpu);
    return limit;
  }

  // Takes each of them away. One that is not down at once has the budget, in which it may also answer.
  void force(const cpu_set<P::max_cpus>& missing, cpu_id limit, uint32_t budget_us) noexcept {
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (missing.contains(cpu)) force_one(cpu);
    detail::bounded_wait<P> wait{budget_us};
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (missing.contains(cpu) && entry(cpu) != stop_state::forced && !await(cpu, wait)) force_one(cpu);
  }

  // A CPU that is down writes nothing any more: an acknowledgement that is not there now never comes. One that is there
  // counts, for it has registers.
  void force_one([[maybe_unused]] cpu_id cpu) noexcept {
    if constexpr (detail::has_force_stop<P>) {
      if (!P::force_stop(cpu)) return;
      if (records_[cpu].ack.load(order::relaxed) == 0) set_entry(cpu, stop_state::forced);
    }
  }

  // Waits for one CPU to acknowledge or to go offline. False when the time is over.
  bool await(cpu_id cpu, detail::bounded_wait<P>& wait) noexcept {
    record& r = records_[cpu];
    while (r.ack.load(order::acquire) == 0 && P::is_online(cpu))  // (2)
      if (!P::wait_while(r.ack, uint32_t{0}, wait.end()) || wait.is_over()) return false;
    return true;
  }

  // Written by the owner only, hence relaxed throughout: a later owner has acquired the gate. They share cache lines
  // with each other but not with the gate or a record, so that a store to them takes no line away from another CPU.
  alignas(line) atomic<uint32_t> rungs_done_{};
  atomic<uint32_t> collected_{};             // 0 not yet, 1 all answered, 2 some are silent
  atomic<uint32_t> entries_[P::max_cpus]{};  // the report's entries, each a stop_state
  record records_[P::max_cpus + 1]{};        // the last one is of the CPU without a number that panics
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
