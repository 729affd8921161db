// SPDX-License-Identifier: BSL-1.0
#pragma once
// panic(), nmi_panic() and the handlers: the whole path, for those who want it all.
//
//     constinit lastcpu::crash_domain<my_port> machine;
//
// One object per machine, zero-initialised, never destroyed. Everything here may be called on any CPU at any time
// after that; nothing needs to be set up first.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/crash_kexec.hpp>

namespace lastcpu {

template <class P, class Policy = panic_policy>
class crash_domain : public crash_path<P, Policy> {
  using base = crash_path<P, Policy>;

 public:
  using typename base::registers;

  constexpr crash_domain() noexcept = default;

  /// The end. The first CPU to come here goes down the ladder; any other keeps its message and registers, parks, and
  /// takes over if the gate is given back. A panic inside a panic goes on at the next step. Thread or irq context (NMI:
  /// nmi_panic()), also on a stack of an exception; interrupts are off from here on. `regs` are those of the crash, the
  /// caller's where null. A CPU without a number goes down the same ladder (see hardware_id() in platform.hpp).
  [[noreturn, gnu::cold, gnu::noinline]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    (void)P::irq_save();
    this->panic_on(this->number_or_park(message), regs, message);
  }

  /// A panic from an NMI handler. Returns, always, when the interrupted code of this CPU owns the gate: its work goes
  /// on, and a crash_kexec() that finds nothing to start ends as this panic. Otherwise it does not return: this CPU
  /// goes down the ladder, or stops here with these registers. After Linux's nmi_panic().
  void nmi_panic(const char* message, const registers& regs) noexcept {
    const cpu_id me = this->number_or_park(message);
    auto& machine = this->ladder_;
    const bool with_the_port = machine.cpus.count_descent(me) < descents_with_the_port;
    const bool first = machine.messages.keep(me, panic_context::nmi, message);
    if (!with_the_port) watch_as_loser(machine.gate, machine.cpus, me);
    const claim_result mine = machine.gate.claim_from_nmi(me);
    if (mine.outcome == claim_outcome::mine_already) {
      if (first) detail::copy_plain(machine.nmi_registers, regs);
      return;
    }
    if (mine.outcome == claim_outcome::other) stop_as_loser(machine.gate, machine.cpus, &regs, me);
    machine.go_down(me, {message != nullptr ? message : "(no message)", &regs});
  }

  /// For the kernel's NMI handler, first thing: one load when nothing is going on. Stops this CPU for good when
  /// another one has committed: registers saved, acknowledged, parked. On the owner it does nothing.
  void handle_nmi(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_nmi); }

  /// The same for the interrupt that P::send_stop(cpus, stop_how::irq) causes.
  void handle_stop_irq(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_irq); }

 private:
  void stop_if_asked(const registers& regs, stop_state how) noexcept {
    const gate_word seen = this->ladder_.gate.read();
    if (seen.is_open()) [[likely]]  // asked first, for it is cheaper
      return;
    if (seen.is_committed()) stop_unless_owner(seen, regs, how);
  }

  [[gnu::cold, gnu::noinline]] void stop_unless_owner(gate_word seen, const registers& regs, stop_state how) noexcept {
    const cpu_id me = this->number();
    if (decide(seen, me) != gate_move::park) return;
    stop_as_asked(this->ladder_.cpus, regs, how, me);
  }
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
