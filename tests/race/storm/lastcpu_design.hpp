// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu as a design in the storm: its policies, and what it is asked while it dies.

#include "storm_platform.hpp"

#include <lastcpu/panic.hpp>

namespace storm {

struct storm_policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 1'000'000}, {lastcpu::stop_how::nmi, 10'000'000}};

  template <class Registers>
  static void report(const lastcpu::panic_info<Registers>&) noexcept {
    may_fault(fault_point::report, false);
    if (area->reports.fetch_add(1, order::relaxed) != 0) note_wrong(wrong::too_many_panics);
    may_fault(fault_point::report, true);
  }

  template <class Report>
  static void notifiers(const Report&) noexcept {
    may_fault(fault_point::notifiers, false);
    if (hooks.stop_again != nullptr) hooks.stop_again();
    may_fault(fault_point::notifiers, true);
  }

  template <class Messages>
  static void message_dump(const Messages&) noexcept {
    hooks.keep_all_notes();
  }

  static void flush() noexcept {
    may_fault(fault_point::flush, false);
    may_fault(fault_point::flush, true);
  }
};

/// Gives up the interrupt so soon that answers come late.
struct impatient_policy : storm_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 150}, {lastcpu::stop_how::nmi, 10'000'000}};
};

/// The hooks' answers for a crash_domain.
template <class Domain>
struct domain_questions {
  static inline Domain* domain = nullptr;

  static bool holds_gate(cpu_id me) noexcept {
    if (domain->cpus().acknowledged(me)) note_wrong(wrong::owner_acknowledged);
    const lastcpu::gate_word now = domain->gate().read();
    return now.is_held_by(me) && now.is_committed();
  }

  // Every message that is ready now, of everybody who has stopped, must be in the notes. A later one is the owner's
  // own, from an NMI or a nested fault.
  static void messages_are_due() noexcept {
    for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
      if (cpu != storm_platform::this_cpu() && !domain->cpus().acknowledged(cpu)) continue;
      for (uint32_t c = 0; c < 3; ++c)
        if (domain->messages().state(cpu, static_cast<lastcpu::panic_context>(c)) == lastcpu::message_state::ready)
          area->notes[cpu].due |= 1u << c;
    }
  }

  // What a crash kernel is told, where there is none.
  static void keep_all_notes() noexcept {
    using enum lastcpu::panic_context;
    const auto& cpus = domain->cpus();
    const cpu_id me = storm_platform::this_cpu();
    for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
      const bool stopped = cpu == me || cpus.acknowledged(cpu);
      const auto text = [&](lastcpu::panic_context c) noexcept { return domain->messages().text(cpu, c, stopped); };
      keep_note(
          {cpu, cpus.state_of(cpu), cpu == me, cpus.registers_of(cpu), text(normal), text(nmi), text(nested), false});
    }
  }

  static void stop_again() noexcept {
    const auto first = domain->cpus().report();
    for (int i = 0; i < 2; ++i) {
      const auto again = domain->stop_others();
      if (again.status() != first.status()) note_wrong(wrong::second_report);
      for (cpu_id cpu = 0; cpu < cpu_count; ++cpu)
        if (again.state(cpu) != first.state(cpu)) note_wrong(wrong::second_report);
    }
  }

  static void answer_for(Domain& d, bool stops_again) noexcept {
    domain = &d;
    hooks = {holds_gate, messages_are_due, keep_all_notes, stops_again ? stop_again : nullptr,
             lastcpu::step::message_dump};
  }
};

}  // namespace storm
