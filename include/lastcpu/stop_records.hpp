// SPDX-License-Identifier: BSL-1.0
#pragma once
// What each CPU writes down about its own stop: its registers, saved once, and its acknowledgement, the last store before
// it parks.
//
// Guarantee: a record is written by its own CPU only, so no acknowledgement is counted twice or for another CPU; whoever
// sees the acknowledgement may read the registers.
// `me` is the calling CPU's number, or P::max_cpus for the one CPU without a number that panics; with a larger number
// nothing is done. Interrupts off or NMI context.
// Not here: who asks for the stop and who waits for it (stop_cpus.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/detail/save_once.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/stop_report.hpp>

namespace lastcpu {

/// Whether anything of the port's may be called but its words.
enum class with_the_port : bool {
  no,   ///< in a CPU that has faulted in what the port does for it again and again
  yes,  ///< everywhere else
};

/// A record for each CPU: what stop_cpus counts and a report reads. A CPU changes its own, interrupts off or NMI
/// context; anybody looks. `me` is its number, or P::max_cpus for the one CPU without a number that panics.
template <class P>
class stop_records {
  static_assert(platform_checked<P>);

 public:
  /// What is saved of a CPU.
  using registers = typename P::registers;

  /// Nobody has saved or acknowledged anything. All zeros.
  constexpr stop_records() noexcept = default;

  /// Saves `regs` (the caller's own where null) as this CPU's registers, unless it has saved some before: the first
  /// ones are nearest to the crash, and after the acknowledgement the owner may be reading them. When a fault or a stop
  /// NMI interrupts the first attempt, its handler may save its own registers instead; there is no third attempt. Out of
  /// line, for it is called from many places.
  [[gnu::noinline]] void save_registers(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_whole); }

  /// The same for the registers that belong to this CPU's message in panic_context::normal.
  void save_registers_of_panic(cpu_id me, const registers* regs) noexcept { save(me, regs, saved_with_text); }

  /// Calls P::make_resettable(), unless this CPU has completed it. When a fault or a stop NMI interrupts the first
  /// attempt, a second one is made; there is no third.
  [[gnu::noinline]] void make_resettable_once(cpu_id me) noexcept {
    if (me > P::max_cpus) return;
    atomic<uint32_t>& attempts = records_[me].resettable;
    const uint32_t attempt = attempts.load(order::acquire);  // (4) acquire: pairs with release (3)
    if (attempt >= detail::most_attempts) return;
    attempts.store(attempt + 1, order::release);  // (3)
    P::make_resettable();
    // (3) release: pairs with acquire (4), in an NMI on this CPU: if it sees that it is done, it is done.
    attempts.store(detail::most_attempts, order::release);
  }

  /// Counts how often this CPU begins to panic or to park, and answers how often it did before. A CPU that comes again
  /// and again has faulted there.
  /// relaxed load and store: only this CPU writes the word. An NMI between the two never returns, or is counted
  /// together with what it interrupted.
  [[nodiscard, gnu::always_inline]] uint32_t count_descent(cpu_id me) noexcept {
    if (me > P::max_cpus) return 0;
    const uint32_t before = records_[me].descents.load(order::relaxed);
    records_[me].descents.store(before + 1, order::relaxed);
    return before;
  }

  /// True the first time: this CPU may run its self-stop hook, which is not run again when it faults. False for a CPU
  /// that has no record.
  /// relaxed: only this CPU reads and writes the word.
  [[nodiscard]] bool may_run_hook(cpu_id me) noexcept {
    if (me > P::max_cpus || records_[me].hook.load(order::relaxed) != 0) return false;
    records_[me].hook.store(1, order::relaxed);
    return true;
  }

  /// Acknowledges the stop: this CPU's registers are saved, and it runs nothing more. Does nothing while an earlier
  /// acknowledgement stands.
  /// (1) release: pairs with acquire (2). Who sees the acknowledgement may read the registers.
  /// with_the_port::no calls nothing of the port's but its words: no trace, no wake.
  void acknowledge(cpu_id me, stop_state how, with_the_port use = with_the_port::yes) noexcept {
    if (me > P::max_cpus) return;
    record& r = records_[me];
    if (r.ack.load(order::relaxed) != 0) return;
    if (use == with_the_port::yes) detail::trace<P>(trace_kind::acknowledged, me, static_cast<uint32_t>(how));
    r.ack.store(static_cast<uint32_t>(how), order::release);  // (1)
    if (use == with_the_port::yes) P::wake(r.ack, wake_reason::answered);
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

  /// It has acknowledged its stop, and has not withdrawn that. Any context; acquires what it stored before.
  [[nodiscard, gnu::always_inline]] bool acknowledged(cpu_id cpu) const noexcept {
    return cpu <= P::max_cpus && ack_of(cpu) != 0;
  }

  /// The saved registers of a CPU that has acknowledged its stop, or the caller's own; null where there are none.
  [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return registers_of(cpu, P::this_cpu()); }
  /// The same for a caller that passes its own number.
  [[nodiscard]] const registers* registers_of(cpu_id cpu, cpu_id me) const noexcept {
    if (cpu > P::max_cpus || (cpu != me && ack_of(cpu) == 0)) return nullptr;
    return records_[cpu].saved.load(order::relaxed) >= saved_whole ? &records_[cpu].regs : nullptr;
  }
  /// This CPU's own saved registers, if they belong to its message in panic_context::normal; else null.
  [[nodiscard]] const registers* registers_of_panic(cpu_id me) const noexcept {
    if (me > P::max_cpus || records_[me].saved.load(order::relaxed) != saved_with_text) return nullptr;
    return &records_[me].regs;
  }

 protected:
  ///@{
  /// For stop_cpus, which reads what each CPU writes.
  template <class T>
  using atomic = typename P::template atomic<T>;
  static constexpr uint32_t line = detail::cache_line<P>();
  ///@}

  /// Written by its own CPU only.
  struct alignas(line) record {
    atomic<uint32_t> ack{};         ///< 0, or a stop_state
    atomic<uint32_t> saved{};       ///< attempts at the registers that were begun, or saved_whole, or saved_with_text
    atomic<uint32_t> resettable{};  ///< attempts at P::make_resettable() that were begun; most_attempts: none any more
    atomic<uint32_t> hook{};        ///< not 0: the self-stop hook may not be run any more
    atomic<uint32_t> descents{};    ///< count_descent()
    registers regs{};               ///< the registers
  };

  ///@{
  /// For stop_cpus: a CPU's acknowledgement, acquired, and all records.
  [[nodiscard]] uint32_t ack_of(cpu_id cpu) const noexcept {
    return records_[cpu].ack.load(order::acquire);  // (2) acquire: pairs with release (1)
  }

  // The last one is of the CPU without a number that panics.
  record records_[P::max_cpus + 1]{};
  ///@}

 private:
  static constexpr uint32_t saved_whole = detail::saved_whole;
  static constexpr uint32_t saved_with_text = 4;  // whole, and of the message in panic_context::normal

  void save(cpu_id me, const registers* regs, uint32_t mark) noexcept {
    if (me > P::max_cpus) return;
    detail::save_once<P>(records_[me].saved, records_[me].regs, regs, mark);
  }
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
