// SPDX-License-Identifier: BSL-1.0
#pragma once
// panic(), nmi_panic() and the handlers: the whole path, for those who want it all.
//
//     constinit lastcpu::crash_domain<my_port> machine;
//
// One object per machine, zero-initialised, never destroyed. Everything here may be called on any CPU at any time
// after that; nothing needs to be set up first.

#include <lastcpu/crash_kexec.hpp>

namespace lastcpu {

enum class nmi_outcome : uint8_t {
  not_ours,  // nobody asks this CPU to stop: look for another reason of this NMI
};

template <class P, class Policy = panic_policy>
class crash_domain : public crash_path<P, Policy> {
  using base = crash_path<P, Policy>;

 public:
  using typename base::registers;

  constexpr crash_domain() noexcept = default;

  /// The end. The first CPU to come here goes down the ladder of panic_policy.hpp; any other keeps its message and
  /// registers, parks, and takes over if the gate is given back. A panic inside a panic goes on at the next step.
  /// Thread or irq context (NMI: nmi_panic()), also on a stack of an exception; interrupts are off from here on.
  /// `regs` are those of the crash, the caller's where null.
  [[noreturn, gnu::cold, gnu::noinline]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    (void)P::irq_save();
    const cpu_id me = this_cpu_or_adopted();
    if (me >= P::max_cpus) panic_of_an_unknown_cpu(message, regs);
    this->keep_oops(me);
    if (!this->messages_.keep(me, panic_context::normal, message))
      (void)this->messages_.keep(me, panic_context::nested, message);
    const claim_result mine = this->gate_.claim(hold::final);
    if (mine.outcome == claim_outcome::refused) panic_of_an_unknown_cpu(message, regs);
    if (mine.outcome == claim_outcome::other) stop_as_loser(this->gate_, this->cpus_, regs);
    this->panic_ladder(regs, panic_context::normal);
  }

  /// A panic from an NMI handler. Returns, always, when the interrupted code of this CPU owns the gate: its work goes
  /// on, and a crash_kexec() that finds nothing to start ends as this panic. Otherwise it does not return: this CPU
  /// goes down the ladder, or stops here with these registers. After Linux's nmi_panic().
  void nmi_panic(const char* message, const registers& regs) noexcept {
    const cpu_id me = this_cpu_or_adopted();
    if (me >= P::max_cpus) panic_of_an_unknown_cpu(message, &regs);
    const bool first = this->messages_.keep(me, panic_context::nmi, message);
    const claim_result mine = this->gate_.claim_from_nmi();
    if (mine.outcome == claim_outcome::refused) panic_of_an_unknown_cpu(message, &regs);
    if (mine.outcome == claim_outcome::mine_already) {
      if (first) detail::copy_plain(this->nmi_registers_, regs);
      return;
    }
    if (mine.outcome == claim_outcome::other) stop_as_loser(this->gate_, this->cpus_, &regs);
    this->panic_ladder(&regs, panic_context::nmi);
  }

  /// For the kernel's NMI handler, first thing: one load when nothing is going on. Stops this CPU for good when
  /// another one has committed: registers saved, acknowledged, parked. On the owner it does nothing.
  nmi_outcome handle_nmi(const registers& regs) noexcept { return stop_if_asked(regs, stop_state::by_nmi); }

  /// The same for the interrupt that P::send_stop(cpus, stop_how::irq) causes.
  nmi_outcome handle_stop_irq(const registers& regs) noexcept { return stop_if_asked(regs, stop_state::by_irq); }

 private:
  nmi_outcome stop_if_asked(const registers& regs, stop_state how) noexcept {
    const gate_word seen = this->gate_.read();
    if (seen.is_open()) [[likely]]  // asked first, for it is cheaper
      return nmi_outcome::not_ours;
    if (!seen.is_committed()) return nmi_outcome::not_ours;
    return stop_unless_owner(seen, regs, how);
  }

  [[gnu::cold, gnu::noinline]] nmi_outcome stop_unless_owner(gate_word seen, const registers& regs,
                                                             stop_state how) noexcept {
    const cpu_id me = P::this_cpu();
    if (me >= P::max_cpus || seen.owner() == me) return nmi_outcome::not_ours;
    stop_as_asked(this->cpus_, regs, how);
  }

  [[nodiscard]] static cpu_id this_cpu_or_adopted() noexcept {
    const cpu_id me = P::this_cpu();
    if constexpr (detail::has_adopt_this_cpu<P>) {
      if (me >= P::max_cpus) return P::adopt_this_cpu();
    }
    return me;
  }

  // Without a number it can't hold the gate. It lets whoever holds it finish, and otherwise reports and restarts: a
  // dump that another CPU begins in that very moment is cut off. A port that can should offer adopt_this_cpu().
  [[noreturn, gnu::cold]] void panic_of_an_unknown_cpu(const char* message, const registers* regs) noexcept {
    (void)this->messages_.keep(P::max_cpus, panic_context::normal, message);
    for (gate_word seen = this->gate_.read(); !seen.is_open(); seen = this->gate_.read()) this->gate_.wait_while(seen);
    Policy::report(panic_info<registers>{no_cpu, message != nullptr ? message : "(no message)", regs});
    P::emergency_restart();
    P::halt();
    for (;;) P::park();
  }
};

}  // namespace lastcpu
