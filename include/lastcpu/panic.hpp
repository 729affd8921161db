// SPDX-License-Identifier: BSL-1.0
#pragma once
// panic(), nmi_panic() and the handlers: the whole path from a crash to its end, in one object.
//
//     constinit lastcpu::crash_domain<my_port> machine;
//
// One object per machine, zero-initialised, never destroyed. Nothing needs to be set up: everything here may be called
// on any CPU at any time.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/crash_kexec.hpp>

namespace lastcpu {

/// A machine's end, whole: what a kernel defines once and calls. `P` is the port (platform.hpp), `Policy` what the
/// kernel decides (panic_policy.hpp). No lock, no allocation; whatever the owner waits for has a bound.
template <class P, class Policy = panic_policy>
class crash_domain : public crash_path<P, Policy> {
  using base = crash_path<P, Policy>;

 public:
  /// What handlers hand over.
  using typename base::registers;

  /// Nobody has died. All zeros, so that it lies in .bss.
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
    if (claim_for_nmi_panic(me, message, regs)) this->ladder_.go_down(me, of_nmi(me, message, regs));
  }

  /// A panic in two halves, for a kernel that has more to say than one text. The first half is panic() as far as every
  /// other CPU is stopped; then it returns, on the owner alone and once, for the kernel to print in its own words. The
  /// second half is panic_end(): it goes on to the crash kernel or the restart. A fault between them is a panic like any
  /// other: it goes on behind the words, and does not come back from panic_begin(). Interrupts are off from here on.
  [[gnu::cold]] void panic_begin(const char* message, const registers* regs = nullptr) noexcept {
    (void)P::irq_save();
    const cpu_id me = this->number_or_park(message);
    go_to_the_words(me, this->claim_for_panic(me, regs, message));
  }

  /// The same from an NMI handler: false where nmi_panic() returns, and nothing is to be printed then.
  [[nodiscard, gnu::cold]] bool nmi_panic_begin(const char* message, const registers& regs) noexcept {
    const cpu_id me = this->number_or_park(message);
    if (!claim_for_nmi_panic(me, message, regs)) return false;
    go_to_the_words(me, of_nmi(me, message, regs));
    return true;
  }

  /// The second half. Where panic_begin() or nmi_panic_begin() has not returned on this CPU, it is a panic that says so.
  [[noreturn, gnu::cold]] void panic_end() noexcept {
    const cpu_id me = this->number();
    const gate_word now = this->ladder_.gate.read();
    if (!now.is_held_by(me) || now.step() < static_cast<uint32_t>(step::words)) panic("panic_end() alone");
    this->ladder_.finish(me);
  }

  /// Room of `room` bytes for this CPU to format the message of a panic that it begins next; message_end() comes behind
  /// it, and a panic without a message. It is kept from here on, whoever wins. Null when this CPU has said something in
  /// its panic and inside it, or can't keep a text. `in` is panic_context::normal, or nmi for nmi_panic(). Interrupts
  /// are off from here on. A fault while the text is written is a panic inside the panic.
  [[nodiscard, gnu::cold]] char* message_begin(uint32_t& room, panic_context in = panic_context::normal) noexcept {
    (void)P::irq_save();
    auto& messages = this->ladder_.messages;
    const cpu_id me = this->number_or_place();
    char* text = messages.format(me, in);
    if (text == nullptr && in == panic_context::normal) text = messages.format(me, panic_context::nested);
    room = text != nullptr ? messages.room : 0;
    return text;
  }

  /// The text of message_begin() is whole. The same CPU, with the same `in`.
  [[gnu::cold]] void message_end(panic_context in = panic_context::normal) noexcept {
    auto& messages = this->ladder_.messages;
    const cpu_id me = this->number();
    if (in == panic_context::normal && messages.formatted(me, panic_context::nested)) return;
    (void)messages.formatted(me, in);
  }

  /// What the kernel's NMI handler calls first. NMI context. Stops this CPU for good when another one has committed:
  /// registers saved, acknowledged, parked. Does nothing on the owner. Costs one acquire load while the gate is open.
  void handle_nmi(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_nmi); }

  /// The same for the handler of the interrupt that P::send_stop(cpus, stop_how::irq) causes, once that was ended
  /// (EOI). Interrupts off.
  void handle_stop_irq(const registers& regs) noexcept { stop_if_asked(regs, stop_state::by_irq); }

  /// The same for a CPU that is new, once P::is_online() says that it is there: who has committed before asks it not.
  /// Interrupts off. Behind a full fence or an exchange: platform.hpp, at cpu_limit().
  void come_online() noexcept {
    if (!this->ladder_.gate.read().is_committed()) return;
    registers here;
    P::capture_registers(here);
    handle_stop_irq(here);
  }

 private:
  // False where the interrupted code of this CPU owns the gate.
  [[nodiscard, gnu::always_inline]] bool claim_for_nmi_panic(cpu_id me, const char* message,
                                                             const registers& regs) noexcept {
    auto& machine = this->ladder_;
    const with_the_port use = this->descend(me);
    const bool first = this->keep_text(me, panic_context::nmi, message, &regs);
    const claim_result mine = machine.gate.claim_from_nmi(me);
    if (mine.outcome == claim_outcome::mine_already) {
      if (first) detail::copy_plain(machine.nmi_registers, regs);
      return false;
    }
    if (mine.outcome == claim_outcome::other) wait_for_gate(machine.gate, machine.cpus, &regs, me, use);
    return true;
  }

  // A text that the kernel has formatted belongs to this panic.
  [[nodiscard]] crash_record<registers> of_nmi(cpu_id me, const char* message, const registers& regs) const noexcept {
    return this->record_of(me, panic_context::nmi, message, &regs);
  }

  void go_to_the_words(cpu_id me, crash_record<registers> why) noexcept {
    if (!this->ladder_.go_to_the_words(me, why)) this->ladder_.finish(me);
  }

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

#include <lastcpu/detail/end.hpp>
