// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel builds around a design: handlers, an oops path, names for its messages. The same around each design,
// so that they go through the same storm.

#include "cpu_watch.hpp"
#include "storm_platform.hpp"

#include <stdio.h>

namespace storm {

struct message_texts {
  char by[cpu_count][3][32];  // panics, panics in NMI, oopses
};
inline message_texts texts;
inline void write_message_texts() noexcept {
  static constexpr const char* did[] = {"panics", "panics in an NMI", "oopses"};
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu)
    for (uint32_t i = 0; i < 3; ++i) snprintf(texts.by[cpu][i], sizeof texts.by[cpu][i], "CPU %u %s", cpu, did[i]);
}

template <class D>
struct kernel {
  using registers = lastcpu::posix_registers;

  constexpr kernel() noexcept = default;

  void crash_kexec(const registers* regs, const char* why) noexcept {
    const cpu_id me = storm_platform::this_cpu();
    log_event(me, event::calls_crash_kexec);
    area->cpu[me].oopses.store(1, order::relaxed);
    area->cpu[me].oops_begun.store(1, order::release);
    uint32_t reason = ~uint32_t{0};
    if constexpr (requires { design.crash_kexec(regs, why); })
      reason = static_cast<uint32_t>(design.crash_kexec(regs, why));
    else
      design.crash_kexec(regs);
    if (reason < 32) add_bits(area->refusals, 1u << reason);
    log_event(me, event::crash_kexec_returned, reason);
  }

  [[noreturn]] void panic(const char* message, const registers* regs) noexcept {
    const cpu_id me = storm_platform::this_cpu();
    log_event(me, event::calls_panic);
    add_bits(area->cpu[me].panics, 1);
    if constexpr (requires { design.panic(message, regs); })
      design.panic(message, regs);
    else
      design.panic(regs);
  }

  void handle_nmi(const registers& regs) noexcept {
    enter_handler(storm_platform::this_cpu(), true);
    log_event(storm_platform::this_cpu(), event::nmi_arrives);
    design.handle_nmi(regs);
  }

  void handle_stop_irq(const registers& regs) noexcept {
    enter_handler(storm_platform::this_cpu(), false);
    log_event(storm_platform::this_cpu(), event::irq_arrives);
    design.handle_stop_irq(regs);
  }

  void on_other_nmi(const registers& regs) noexcept {
    const cpu_id me = storm_platform::this_cpu();
    if (area->cpu[me].nmi_wants_panic.load(order::acquire) != 0) {
      area->cpu[me].nmi_wants_panic.store(0, order::relaxed);
      log_event(me, event::nmi_panics);
      add_bits(area->cpu[me].panics, 2);
      if constexpr (requires { design.nmi_panic("", regs); })
        design.nmi_panic(texts.by[me][1], regs);
      else
        design.nmi_panic(regs);
    }
    log_event(me, event::nmi_returns);
    leave_handler(me, true);
  }

  void on_other_irq(const registers&) noexcept { leave_handler(storm_platform::this_cpu(), false); }

  void ask_to_stop_others() noexcept {
    log_event(storm_platform::this_cpu(), event::asks_to_stop_others);
    if constexpr (requires { design.stop_others().status(); }) {
      if (design.stop_others().status() != lastcpu::stop_status::not_the_arbiter) note_wrong(wrong::early_stop);
    } else if constexpr (requires { design.panic_in_halves("", nullptr); }) {  // C stops nobody without a panic
      const cpu_id me = storm_platform::this_cpu();
      add_bits(area->cpu[me].panics, 1);
      design.panic_in_halves(texts.by[me][0], nullptr);
    } else {
      design.stop_others();
    }
  }

  void load_image(uint64_t generation) noexcept {
    log_event(storm_platform::this_cpu(), event::loads_image);
    if constexpr (requires { design.image(); })
      (void)design.image().load(make_image(generation));
    else
      design.load(make_image(generation));
    log_event(storm_platform::this_cpu(), event::image_loaded);
  }

  /// For the child of a fork. Each trial has a process of its own and forks no more.
  [[nodiscard]] static auto& image() noexcept { return no_image; }
  static inline constinit lastcpu::crash_image<lastcpu::posix> no_image{};

  [[nodiscard]] const auto& gate() const noexcept requires requires(const D& d) { d.gate(); }
  { return design.gate(); }

  D design{};
};

}  // namespace storm
