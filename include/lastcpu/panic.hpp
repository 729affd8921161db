// SPDX-License-Identifier: BSL-1.0
#pragma once
// panic(), nmi_panic() and the handlers: the whole path from a crash to its end, in one object.
//
//     constinit lastcpu::crash_domain<my_port> machine;
//
// One object per machine, zero-initialised, never destroyed. Nothing needs to be set up: everything here may be called
// on any CPU at any time.

#include <lastcpu/crash_kexec.hpp>

namespace lastcpu {

template <class P, class Policy = panic_policy>
class crash_domain : public crash_path<P, Policy> {
  using base = crash_path<P, Policy>;

 public:
  using typename base::registers;

  constexpr crash_domain() noexcept = default;

  /// Ends the machine. Thread or irq context, also on an exception's stack; an NMI handler calls nmi_panic().
  /// Interrupts are off from here on. `regs` are those of the crash, the caller's where null.
  /// - The first CPU to panic goes down the ladder.
  /// - Any other CPU keeps its message and registers, parks, and takes over if the gate is given back.
  /// - A panic inside a panic of the same CPU goes on at the next step.
  /// - A CPU without a number goes down the same ladder (see hardware_id() in platform.hpp).
  [[noreturn, gnu::cold, gnu::noinline]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    (void)P::irq_save();
    this->panic_on(this->number_or_park(message), regs, message);
  }

  /// A panic from an NMI handler. After Linux's nmi_panic().
  /// - When the interrupted code of this CPU holds the gate, it always returns, so that this code goes on. If that is a
  ///   crash_kexec() that finds nothing to start, it ends as this panic.
  /// - Otherwise it does not return: this CPU goes down the ladder, or stops here with these registers.
  void nmi_panic(const char* message, const registers& regs) noexcept {
    const cpu_id me = this->number_or_park(message);
    auto& machine = this->ladder_;
    const bool with_the_port = machine.cpus.count_descent(me) < descents_with_the_port;
    const bool first = machine.messages.keep(me, panic_context::nmi, message);
    if (!with_the_port) wait_for_gate(machine.gate, machine.cpus, me, without_port);
    const claim_result mine = machine.gate.claim_from_nmi(me);
    if (mine.outcome == claim_outcome::mine_already) {
      if (first) detail::copy_plain(machine.nmi_registers, regs);
      return;
    }
    if (mine.outcome == claim_outcome::other) wait_for_gate(machine.gate, machine.cpus, &regs, me);
    machine.go_down(me, {message != nullptr ? message : "(no message)", &regs});
  }

  /// What the kernel's NMI handler calls first. Stops this CPU for good when another one has committed: registers
  /// saved, acknowledged, parked. Does nothing on the owner. Costs one load while the gate is open.
  void handle_nmi(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_nmi); }

  /// The same for the handler of the interrupt that P::send_stop(cpus, stop_how::irq) causes.
  void handle_stop_irq(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_irq); }

 private:
  void stop_if_asked(const registers& regs, stop_state how) noexcept {
    const gate_word seen = this->ladder_.gate.read();
    if (seen.is_open()) [[likely]]  // the common case, and the cheapest question
      return;
    if (seen.is_committed()) stop_unless_owner(seen, regs, how);
  }

  [[gnu::cold, gnu::noinline]] void stop_unless_owner(gate_word seen, const registers& regs, stop_state how) noexcept {
    const cpu_id me = this->number();
    if (decide(seen, me) != gate_move::park) return;
    stop_for_good(this->ladder_.cpus, regs, how, me);
  }
};

}  // namespace lastcpu
