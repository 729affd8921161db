// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stopping every other CPU, once: who has answered, how, and with which registers.
//
// Each CPU has a record that only it writes: its registers, saved once, and its acknowledgement, the last store before
// it parks. The owner of the gate sends at most one request per rung to those that are still missing, waits with a
// bound, and reads the records. A CPU that lost the race and parked counts as stopped from its acknowledgement on and
// gets no request. There is no counter, so nothing can be counted twice, late or for somebody else.
// The owner writes to no record but its own, and asks none again that has answered: until the report is read, each costs
// it two moves of a cache line, one before the request and one for the answer.
// Not here: the request itself, which is the gate's phase `dumping` (panic_cpu.hpp).

#include <lastcpu/detail/bounded_wait.hpp>
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

  // --- For the CPU that stops. Interrupts off or NMI context; `me` is this CPU's number, or P::max_cpus for the one CPU
  // without a number that panics. Nothing is done for a larger one.

  /// Saves `regs` (the caller's own where null) as this CPU's registers, unless it has saved some before: the first
  /// ones are nearest to what happened, and after the acknowledgement somebody may be reading them. An attempt that
  /// a fault or a stop NMI interrupts is made once more, with what that brings; a third one is not.
  void save_registers(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_whole); }

  /// The same for those that belong to the text which this CPU keeps in panic_context::normal.
  void save_registers_of_panic(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_with_text); }

  /// P::make_resettable(), unless this CPU has done it. An attempt that a stop NMI or a fault interrupts is made once
  /// more; a third one is not.
  void make_resettable_once(cpu_id me) noexcept {
    if (is_done(me, resettable_done) || (!first_time(me, resettable_begun) && !first_time(me, resettable_again)))
      return;
    P::make_resettable();
    (void)first_time(me, resettable_done);
  }

  /// How often this CPU has begun to panic or to park before, one inside the other: who comes again and again has faulted
  /// there. An NMI between load and store never returns, or counts once for both.
  [[nodiscard]] uint32_t count_descent(cpu_id me) noexcept {
    if (me > P::max_cpus) return 0;
    const uint32_t before = records_[me].descents.load(order::relaxed);
    records_[me].descents.store(before + 1, order::relaxed);
    return before;
  }

  /// True once: this CPU may run its self-stop hook. A hook that faults is not run again.
  [[nodiscard]] bool may_run_hook(cpu_id me) noexcept { return first_time(me, hook_begun); }

  /// Says "my registers are saved and I shall run nothing more". No second time while it stands.
  /// (1) release: pairs with acquire (2).
  void acknowledge(cpu_id me, stop_state how) noexcept {
    if (me > P::max_cpus) return;
    record& r = records_[me];
    if (r.ack.load(order::relaxed) != 0) return;
    detail::trace<P>(trace_kind::acknowledged, me, static_cast<uint32_t>(how));
    r.ack.store(static_cast<uint32_t>(how), order::release);
    P::wake(r.ack, wake_reason::answered);
  }

  /// acknowledge(me, stop_state::parked) without a word to the port.
  void acknowledge_quietly(cpu_id me) noexcept {
    if (me > P::max_cpus || records_[me].ack.load(order::relaxed) != 0) return;
    records_[me].ack.store(static_cast<uint32_t>(stop_state::parked), order::release);  // (1)
  }

  /// Wakes who waits for this CPU's acknowledgement once more: for a stop handler that may have interrupted it in
  /// acknowledge(), behind the store, and does not return there.
  void wake_for(cpu_id me) noexcept {
    if (me <= P::max_cpus) P::wake(records_[me].ack, wake_reason::answered);
  }

  /// This CPU was parked and has won the gate after all. Before anything else it takes its acknowledgement back.
  /// relaxed: whoever looks at it next is this CPU, or has it by way of a later release on the gate.
  void withdraw(cpu_id me) noexcept {
    if (!acknowledged(me)) return;
    records_[me].ack.store(0, order::relaxed);
    detail::trace<P>(trace_kind::withdrawn, me, 0);
  }

  [[nodiscard]] bool acknowledged(cpu_id cpu) const noexcept {
    return cpu <= P::max_cpus && records_[cpu].ack.load(order::acquire) != 0;
  }

  // --- For the owner of the gate. Interrupts off.

  /// Notes `silent` for every other online CPU, before the request goes out: a fault right after it leaves an honest
  /// report. From here on the owner keeps the gate: an answer stands. Nothing behind collect().
  void expect_all(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) != 0) return;
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) expect(cpu, me);
  }

  /// Sends rung `number` to those that are missing and waits for them. A rung runs once; again is nothing.
  void climb(cpu_id me, uint32_t number, rung by) noexcept {
    if (rungs_done_.load(order::relaxed) > number) return;
    rungs_done_.store(number + 1, order::relaxed);
    cpu_set<P::max_cpus> missing;
    const cpu_id limit = find_missing(me, missing);
    if (missing.empty()) return;
    missing.for_each([me](cpu_id cpu) { detail::trace<P>(trace_kind::stop_sent, me, cpu); });
    P::send_stop(missing, by.how);
    detail::bounded_wait<P> wait{by.budget_us};
    // The last one first: when it has answered, most of the others have, and the owner has slept once.
    for (cpu_id cpu = limit; cpu-- > 0;)
      if (missing.contains(cpu) && !await(cpu, wait)) return;
  }

  /// Reads every record for the last time. From here on the report stands.
  void collect(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) != 0) return;
    collected_.store(2, order::relaxed);  // first: whatever faults behind it, the report stands
    cpu_set<P::max_cpus> missing;
    (void)find_missing(me, missing);
    if (missing.empty()) collected_.store(1, order::relaxed);
  }

  /// What is known so far, or, after collect(), for good.
  [[nodiscard]] report_type report() const noexcept {
    report_type out;
    report_to(out);
    return out;
  }
  /// The same for who has no room for it on the stack: a byte for each CPU.
  void report_to(report_type& out) const noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) {
      const stop_state state = entry(cpu);  // who answers after collect() has not, registers and all
      out.set(cpu, state, (state == stop_state::running || has_answered(cpu)) && registers_of(cpu) != nullptr);
    }
    const uint32_t c = collected_.load(order::relaxed);
    out.set_status(c == 0 ? stop_status::none : c == 1 ? stop_status::stopped : stop_status::some_silent);
  }

  /// The report's line for one CPU, as it stands. For P::max_cpus: `parked` once the CPU without a number has answered.
  [[nodiscard]] stop_state state_of(cpu_id cpu) const noexcept {
    if (cpu == P::max_cpus) return static_cast<stop_state>(records_[cpu].ack.load(order::acquire));
    return cpu < P::max_cpus ? entry(cpu) : stop_state::absent;
  }
  /// The same for the owner `me`, which may have no number.
  [[nodiscard]] stop_state state_of(cpu_id cpu, cpu_id me) const noexcept {
    return cpu == me ? stop_state::running : state_of(cpu);
  }

  /// The saved registers, or null while there are none that the caller may read: those of a stopped CPU, or its own.
  [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return registers_of(cpu, P::this_cpu()); }
  [[nodiscard]] const registers* registers_of(cpu_id cpu, cpu_id me) const noexcept {
    if (cpu > P::max_cpus || (!acknowledged(cpu) && cpu != me)) return nullptr;
    return records_[cpu].saved.load(order::relaxed) >= saved_whole ? &records_[cpu].regs : nullptr;
  }
  /// This CPU's own, if they belong to its text in panic_context::normal.
  [[nodiscard]] const registers* registers_of_panic(cpu_id me) const noexcept {
    if (me > P::max_cpus || records_[me].saved.load(order::relaxed) != saved_with_text) return nullptr;
    return &records_[me].regs;
  }

  /// All of the above: expects, climbs every rung, collects. Again: the first report. The caller must have committed
  /// `gate`; a CPU that has not gets `not_the_arbiter`, and nothing is done.
  template <uint32_t N>
  report_type stop_others(const panic_cpu<P>& gate, const rung (&rungs)[N], cpu_id me = P::this_cpu()) noexcept {
    const gate_word now = gate.read();
    report_type out;  // the one that is returned, on every way: a copy could be a call of memcpy
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

  /// For a machine that starts anew (the child of a fork): nobody has stopped. No other CPU may be there yet.
  void forget() noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) {
      records_[cpu].forget();
      entries_[cpu].store(0, order::relaxed);
    }
    records_[P::max_cpus].forget();
    rungs_done_.store(0, order::relaxed);
    collected_.store(0, order::relaxed);
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

  struct alignas(line) record {
    atomic<uint32_t> ack{};       // its CPU's: 0, or a stop_state
    atomic<uint32_t> saved{};     // its CPU's: attempts begun, or how they are saved
    atomic<uint32_t> begun{};     // its CPU's: what it does once only
    atomic<uint32_t> descents{};  // its CPU's: count_descent()
    registers regs{};

    void forget() noexcept {
      ack.store(0, order::relaxed);
      saved.store(0, order::relaxed);
      begun.store(0, order::relaxed);
      descents.store(0, order::relaxed);
    }
  };

  void save(cpu_id me, const registers* regs, uint32_t mark) noexcept {
    if (me > P::max_cpus) return;
    record& r = records_[me];
    const uint32_t attempt = r.saved.load(order::acquire);
    if (attempt >= saving_attempts) return;
    r.saved.store(attempt + 1, order::relaxed);
    if (regs != nullptr)
      detail::copy_plain(r.regs, *regs);
    else
      P::capture_registers(r.regs);
    // release, acquire above: an NMI on this CPU that sees the mark finds the registers whole. Others read both after
    // the acknowledgement.
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
    return me <= P::max_cpus && (records_[me].begun.load(order::acquire) & what) != 0;
  }
  [[nodiscard]] bool first_time(cpu_id me, uint32_t what) noexcept {
    if (me > P::max_cpus) return false;
    const uint32_t begun = records_[me].begun.load(order::relaxed);
    records_[me].begun.store(begun | what, order::release);  // an NMI on this CPU that sees it finds the rest done
    return (begun & what) == 0;
  }

  // One CPU's line as it stands now; true when it has still to answer.
  bool expect(cpu_id cpu, cpu_id me) noexcept {
    if (cpu == me) {
      set_entry(cpu, stop_state::running);
    } else if (const uint32_t ack = records_[cpu].ack.load(order::acquire); ack != 0) {  // (2) acquire: pairs with (1)
      set_entry(cpu, static_cast<stop_state>(ack));
    } else if (P::is_online(cpu)) {
      set_entry(cpu, stop_state::silent);
      return true;
    } else if (entry(cpu) != stop_state::absent) {
      set_entry(cpu, stop_state::gone);
    }
    return false;
  }

  // Every one of them is below what it returns.
  cpu_id find_missing(cpu_id me, cpu_set<P::max_cpus>& missing) noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (!has_answered(cpu) && expect(cpu, me)) missing.add(cpu);
    return limit;
  }

  // False when the time is over.
  bool await(cpu_id cpu, detail::bounded_wait<P>& wait) noexcept {
    record& r = records_[cpu];
    while (r.ack.load(order::acquire) == 0 && P::is_online(cpu))
      if (!P::wait_while(r.ack, uint32_t{0}, wait.end()) || wait.is_over()) return false;
    return true;
  }

  // The owner's, together, and apart from the gate and the records: writing one takes no line away from another CPU.
  alignas(line) atomic<uint32_t> rungs_done_{};
  atomic<uint32_t> collected_{};             // 0 not yet, 1 all answered, 2 some are silent
  atomic<uint32_t> entries_[P::max_cpus]{};  // the report's lines, each a stop_state
  record records_[P::max_cpus + 1]{};        // the last one: of the CPU without a number that panics
};

}  // namespace lastcpu
