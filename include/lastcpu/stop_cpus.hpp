// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stopping every other CPU, once: who has answered, how, and with which registers.
//
// Each CPU has a record that only it writes (stop_records.hpp). The owner of the gate sends at most one request per rung
// to the CPUs that have not acknowledged, waits with a bound, and reads the records. A loser that has parked counts as
// stopped from its acknowledgement on, and gets no request. No counter is shared, so none counts one too late.
// Cost: until the report is read, the owner moves the cache line of each record twice, once before the request and once
// for the acknowledgement. It writes to no record but its own.
// Not here: the request itself, which is the gate's phase `dumping` (panic_cpu.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/bounded_wait.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/stop_records.hpp>
#include <lastcpu/stop_report.hpp>

namespace lastcpu {

/// One way of asking, and how long to wait for the answers.
struct rung {
  stop_how how;        ///< the way
  uint32_t budget_us;  ///< microseconds, for all CPUs together
};

/// The stop of every other CPU, usable alone; a crash_domain has one. The owner of the gate changes it, interrupts off
/// or NMI context; anybody looks.
template <class P>
class stop_cpus : public stop_records<P> {
  using records = stop_records<P>;

 public:
  /// What is saved of a CPU.
  using registers = typename P::registers;
  /// The result.
  using report_type = stop_report<P::max_cpus>;

  /// Nobody is asked. All zeros.
  constexpr stop_cpus() noexcept = default;

  using records::acknowledged;
  using records::registers_of;

  /// It has acknowledged, or was forced: it runs nothing any more. Any context; acquires what a CPU that has
  /// acknowledged stored before.
  [[nodiscard]] bool is_down(cpu_id cpu) const noexcept {
    if constexpr (detail::has_force_stop<P>)
      if (cpu < P::max_cpus && entry(cpu) == stop_state::forced) return true;
    return acknowledged(cpu);
  }

  // From here on for the owner of the gate; `me` is its number. Interrupts off.

  /// Brings the report up to date: `silent` for every other online CPU that has not acknowledged. The owner calls it
  /// before it commits, so that the report is true even if it faults right after the commit. Does nothing after
  /// collect().
  void expect_all(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) == 0) (void)find_missing(me, nullptr);
  }

  /// Asks the CPUs that have not acknowledged to stop, in the way `by.how`, and waits for them, `by.budget_us` at most.
  /// stop_how::forced takes them away; only a port with force_stop() has that. Each rung `number` runs once; a second call
  /// does nothing.
  [[gnu::always_inline]] void climb(cpu_id me, uint32_t number, rung by) noexcept {
    if (rungs_done_.load(order::relaxed) > number) return;
    rungs_done_.store(number + 1, order::relaxed);
    cpu_set<P::max_cpus> missing;
    const cpu_id end = find_missing(me, &missing);
    if (end == 0) return;
    missing.for_each([me](cpu_id cpu) { detail::trace<P>(trace_kind::stop_sent, me, cpu); });
    if constexpr (detail::has_force_stop<P>)
      if (by.how == stop_how::forced) return force(missing, end, by.budget_us);
    P::send_stop(missing, by.how);
    detail::bounded_wait<P> wait{by.budget_us};
    // From the last one down: when the last one has acknowledged, most others have too, and the owner has slept once.
    for (cpu_id cpu = end; cpu-- > 0;)
      if (missing.contains(cpu) && !await(cpu, wait)) return;
  }

  /// Reads every record for the last time. The report does not change any more, whoever acknowledges later.
  void collect(cpu_id me) noexcept {
    if (collected_.load(order::relaxed) != 0) return;
    collected_.store(2, order::relaxed);  // first, so that the report stands also where a fault cuts this off
    if (find_missing(me, nullptr) == 0) collected_.store(1, order::relaxed);
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
    if (cpu == P::max_cpus) return static_cast<stop_state>(this->ack_of(cpu));
    return cpu < P::max_cpus ? entry(cpu) : stop_state::absent;
  }
  /// The same for the owner `me`, which may have no number.
  [[nodiscard]] stop_state state_of(cpu_id cpu, cpu_id me) const noexcept {
    return cpu == me ? stop_state::running : state_of(cpu);
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
  using records::line;
  using records::records_;

  [[nodiscard]] stop_state entry(cpu_id cpu) const noexcept {
    return static_cast<stop_state>(entries_[cpu].load(order::relaxed));
  }
  void set_entry(cpu_id cpu, stop_state s) noexcept { entries_[cpu].store(static_cast<uint32_t>(s), order::relaxed); }
  [[nodiscard]] bool has_answered(cpu_id cpu) const noexcept {
    const stop_state s = entry(cpu);
    return s >= stop_state::parked && s <= stop_state::forced;
  }

  // Brings the report's entry for one CPU up to date; true when that CPU has still to acknowledge. An acknowledgement
  // that was seen once stands: only a CPU that wins the gate withdraws its own, and the owner keeps the gate.
  [[gnu::always_inline]] bool expect(cpu_id cpu, cpu_id me) noexcept {
    if (cpu != me && has_answered(cpu)) return false;
    if (cpu == me) {
      set_entry(cpu, stop_state::running);
    } else if (const uint32_t ack = this->ack_of(cpu); ack != 0) {
      set_entry(cpu, static_cast<stop_state>(ack));
    } else if (P::is_online(cpu)) {
      set_entry(cpu, stop_state::silent);
      return true;
    } else if (entry(cpu) != stop_state::absent) {
      set_entry(cpu, stop_state::gone);
    }
    return false;
  }

  // Brings the report up to date. Puts the CPUs that have still to acknowledge into `missing`, unless that is null;
  // answers one past the last of them, 0 where there is none.
  [[gnu::noinline]] cpu_id find_missing(cpu_id me, cpu_set<P::max_cpus>* missing) noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    cpu_id end = 0;
    for (cpu_id cpu = 0; cpu < limit; ++cpu) {
      if (!expect(cpu, me)) continue;
      if (missing != nullptr) missing->add(cpu);
      end = cpu + 1;
    }
    return end;
  }

  // Takes each of them away. One that is not down at once has the budget, in which it may also answer.
  void force(const cpu_set<P::max_cpus>& missing, cpu_id end, uint32_t budget_us) noexcept {
    for (cpu_id cpu = 0; cpu < end; ++cpu)
      if (missing.contains(cpu)) force_one(cpu);
    detail::bounded_wait<P> wait{budget_us};
    for (cpu_id cpu = 0; cpu < end; ++cpu)
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
  [[gnu::always_inline]] bool await(cpu_id cpu, detail::bounded_wait<P>& wait) noexcept {
    while (this->ack_of(cpu) == 0 && P::is_online(cpu))
      if (!P::wait_while(records_[cpu].ack, uint32_t{0}, wait.end()) || wait.is_over()) return false;
    return true;
  }

  // Written by the owner only, hence relaxed throughout: a later owner has acquired the gate. They share cache lines
  // with each other but not with the gate or a record, so that a store to them takes no line away from another CPU.
  alignas(line) atomic<uint32_t> rungs_done_{};
  atomic<uint32_t> collected_{};             // 0 not yet, 1 all answered, 2 some are silent
  atomic<uint32_t> entries_[P::max_cpus]{};  // the report's entries, each a stop_state
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
