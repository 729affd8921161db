// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stopping every other CPU for a bare_domain (barebones.hpp): the protocol of stop_cpus (stop_cpus.hpp), where the gate is
// never given back and nobody loads a crash kernel.
//
// So a loser's answer stands, nothing is withdrawn, and there is no report beside the answers: a CPU that is online and has
// not answered is silent, and stops being so when it answers late.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/bounded_wait.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/detail/save_once.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/stop_cpus.hpp>

namespace lastcpu {

/// A record for each CPU, which it writes itself, and the owner's requests. Interrupts off or NMI context for what
/// changes it, any context for the rest.
template <class P>
class bare_stop {
  static_assert(platform_checked<P>);

 public:
  /// What is saved of a CPU.
  using registers = typename P::registers;

  /// Nobody has answered. All zeros.
  constexpr bare_stop() noexcept = default;

  /// Saves this CPU's registers (the caller's where null), unless it has saved some. An attempt that a fault or an NMI
  /// interrupts is made once more. `me` is below max_cpus, here and below.
  void save_registers(cpu_id me, const registers* regs) noexcept {
    detail::save_once<P>(records_[me].saved, records_[me].regs, regs, detail::saved_whole);
  }

  /// Says "my registers are saved and I shall run nothing more". False when it has said so before.
  bool acknowledge(cpu_id me, stop_state how) noexcept {
    record& r = records_[me];
    if (r.answer.load(order::relaxed) != 0) return false;
    detail::trace<P>(trace_kind::acknowledged, me, static_cast<uint32_t>(how));
    r.answer.store(static_cast<uint32_t>(how), order::release);  // (1) release: pairs with acquire (2)
    P::wake(r.answer, wake_reason::answered);
    return true;
  }

  /// It has answered, or was forced. Acquires what the CPU stored before its answer.
  [[nodiscard]] bool acknowledged(cpu_id cpu) const noexcept {
    return cpu < P::max_cpus && records_[cpu].answer.load(order::acquire) != 0;  // (2) acquire: pairs with (1)
  }

  /// For the owner, behind its commit: asks each CPU that is online and has not answered, and waits until all have, or
  /// the time is over. stop_how::forced takes them away.
  [[gnu::noinline]] void climb(cpu_id me, rung by) noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    ask(limit, me, by.how);
    const bool all = wait_for(limit, me, by.budget_us);
    if constexpr (detail::has_force_stop<P>)
      if (!all && by.how == stop_how::forced) force(limit, me);
  }

  /// What is known of a CPU now; `owner` is who has committed, or no_cpu. Acquires what the CPU stored before its
  /// answer.
  [[nodiscard]] stop_state state_of(cpu_id cpu, cpu_id owner) const noexcept {
    if (cpu >= P::max_cpus) return stop_state::absent;
    const uint32_t how = records_[cpu].answer.load(order::acquire);  // (2)
    if (how != 0) return static_cast<stop_state>(how);
    if (cpu == owner) return stop_state::running;
    return P::is_online(cpu) ? stop_state::silent : stop_state::absent;
  }

  /// The saved registers of a stopped CPU, or of `me`; else null.
  [[nodiscard]] const registers* registers_of(cpu_id cpu, cpu_id me = P::this_cpu()) const noexcept {
    return cpu < P::max_cpus && (cpu == me || acknowledged(cpu)) ? saved(cpu) : nullptr;
  }
  /// The same for who knows that it has stopped.
  [[nodiscard]] const registers* saved(cpu_id cpu) const noexcept {
    if constexpr (detail::has_force_stop<P>)
      if (state_of(cpu, no_cpu) == stop_state::forced) return nullptr;
    return records_[cpu].saved.load(order::relaxed) == detail::saved_whole ? &records_[cpu].regs : nullptr;
  }

 private:
  struct alignas(detail::cache_line<P>()) record {
    typename P::template atomic<uint32_t> answer{};  // its CPU's: 0, or a stop_state; the owner's where it is forced
    typename P::template atomic<uint32_t> saved{};   // its CPU's: attempts begun, or saved_whole
    registers regs{};
  };

  // One by one where the port can: a set costs more than the call.
  void ask(cpu_id limit, cpu_id me, stop_how how) noexcept {
    if constexpr (detail::has_force_stop<P>)
      if (how == stop_how::forced) return force(limit, me);
    if constexpr (requires { P::send_stop_to(me, how); }) {
      for (cpu_id cpu = 0; cpu < limit; ++cpu)
        if (is_missing(cpu, me)) P::send_stop_to(cpu, how);
    } else {
      cpu_set<P::max_cpus> missing;
      for (cpu_id cpu = 0; cpu < limit; ++cpu)
        if (is_missing(cpu, me)) missing.add(cpu);
      if (!missing.empty()) P::send_stop(missing, how);
    }
  }

  // False when the time is over.
  [[nodiscard]] bool wait_for(cpu_id limit, cpu_id me, uint32_t budget_us) noexcept {
    detail::bounded_wait<P> wait{budget_us};
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      while (is_missing(cpu, me))
        if (!P::wait_while(records_[cpu].answer, uint32_t{0}, wait.end()) || wait.is_over()) return false;
    return true;
  }

  // Takes away who is missing. A CPU that is down writes nothing any more: where there is no answer of its own, the word
  // is the owner's.
  template <class Port = P>
  void force(cpu_id limit, cpu_id me) noexcept {
    for (cpu_id cpu = 0; cpu < limit; ++cpu) {
      uint32_t none = 0;
      if (is_missing(cpu, me) && Port::force_stop(cpu))
        (void)records_[cpu].answer.compare_exchange(none, static_cast<uint32_t>(stop_state::forced), order::relaxed,
                                                    order::relaxed);
    }
  }

  [[nodiscard]] bool is_missing(cpu_id cpu, cpu_id me) const noexcept {
    return cpu != me && !acknowledged(cpu) && P::is_online(cpu);
  }

  record records_[P::max_cpus]{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
