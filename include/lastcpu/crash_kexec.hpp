// SPDX-License-Identifier: BSL-1.0
#pragma once
// From a crash to the crash kernel: crash_kexec() claims the gate first, __crash_kexec() is for a caller that holds it.
//
// The names and the split are Linux's. A panic holds the gate already when it looks for an image; an oops must claim it
// first. Both end in the same ladder of steps (ladder.hpp). `__crash_kexec` is a reserved name, but as a member of a
// class it collides with nothing.
// Not here: panic() and the handlers (panic.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/inside.hpp>
#include <lastcpu/ladder.hpp>
#include <lastcpu/place.hpp>
#include <lastcpu/self_stop.hpp>

namespace lastcpu {

/// The part of a crash_domain that an oops needs: gate, stop, image, messages and ladder in one object. After Linux's
/// crash_kexec().
template <class P, class Policy = panic_policy>
class crash_path {
 public:
  /// What is saved of a CPU, and what handlers hand over.
  using registers = typename P::registers;
  /// The steps.
  using ladder_type = lastcpu::ladder<P, Policy>;
  /// The texts of all CPUs.
  using messages_type = typename ladder_type::messages_type;

  /// Nobody has died. All zeros.
  constexpr crash_path() noexcept = default;

  /// What a fault handler calls: dumps, panics or goes on, as Policy::on_oops() says. Inside a panic or a crash_kexec()
  /// of this CPU it panics, whatever the policy says. Thread or irq context. When it returns, as crash_kexec() does,
  /// the kernel ends the context that faulted.
  kexec_outcome oops(const registers& regs, const char* why) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    if (is_dying(number())) panic_on(number_or_park(why), &regs, why);  // before the policy's code, which may fault
    const oops_action wanted = Policy::on_oops();
    if (wanted == oops_action::panic) panic_on(number_or_park(why), &regs, why);
    const kexec_outcome out =
        wanted == oops_action::dump ? crash_kexec_irqs_off(&regs, why) : kexec_outcome::left_to_policy;
    P::irq_restore(irqs);
    return out;
  }

  /// Starts the crash kernel for an oops with these registers (the caller's where null), if one is loaded. Thread or
  /// irq context. Returns the reason when there is none to start or another CPU holds the gate; interrupts are then as
  /// they were, and nothing has changed. Does not return
  /// - when it starts the crash kernel: `why` is then this CPU's message;
  /// - inside a panic or a crash_kexec() of this CPU: what it has interrupted can't go on, so it panics;
  /// - when an NMI panicked on this CPU meanwhile: it goes on as that panic.
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    const kexec_outcome out = crash_kexec_irqs_off(regs, why);
    P::irq_restore(irqs);
    return out;
  }

  /// The same for a caller that holds the gate, on trial or for good; interrupts off. Returns only before it has
  /// committed, with the reason; the caller still holds the gate. On trial the image is checked before any CPU is
  /// stopped.
  kexec_outcome __crash_kexec(const registers* regs, const char* why = nullptr) noexcept {
    const cpu_id me = number();
    const gate_word now = ladder_.gate.read();
    if (!now.is_held_by(me)) return kexec_outcome::not_the_owner;
    return start_or_say_why(me, now.phase() == phase::trial, regs, why);
  }

  /// Stops every other CPU, for an owner that has committed. See stop_cpus::stop_others().
  typename stop_cpus<P>::report_type stop_others() noexcept {
    return ladder_.cpus.stop_others(ladder_.gate, detail::rungs_of<P, Policy>::all, number());
  }

  /// Whether this CPU holds the gate: for a console that lets the owner alone print. Right also on the one CPU without
  /// a number that panics. One acquire load while the gate is open. Any context.
  [[nodiscard]] bool on_this_cpu() const noexcept {
    const gate_word seen = ladder_.gate.read();
    return !seen.is_open() && seen.is_held_by(number());
  }
  /// Whether another CPU holds it, likewise.
  [[nodiscard]] bool on_other_cpu() const noexcept {
    const gate_word seen = ladder_.gate.read();
    return !seen.is_open() && !seen.is_held_by(number());
  }

  /// `cpu` runs nothing any more: another CPU has committed, and this one has acknowledged its stop, also when that came
  /// after the report had named it silent, or was forced. Once true it stays true. Any context, on any CPU.
  [[nodiscard]] bool is_stopped(cpu_id cpu) const noexcept {
    const gate_word seen = ladder_.gate.read();  // first: who wins the gate has withdrawn its answer before its commit
    return seen.is_committed() && !seen.is_held_by(cpu) && ladder_.cpus.is_down(cpu);
  }

  /// What became of a CPU. Any context.
  [[nodiscard]] stop_state state_of(cpu_id cpu) const noexcept { return ladder_.cpus.state_of(cpu); }
  /// The registers that it has saved: null unless it has stopped or is the calling one. Any context.
  [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return ladder_.cpus.registers_of(cpu); }

  // The primitives that this path is made of, to look at. A kernel changes the image only.
  /// Who holds the gate.
  [[nodiscard]] const panic_cpu<P>& gate() const noexcept { return ladder_.gate; }
  /// How each CPU was stopped.
  [[nodiscard]] const stop_cpus<P>& cpus() const noexcept { return ladder_.cpus; }
  /// The crash kernel, to load and to unload. Thread context.
  [[nodiscard]] crash_image<P>& image() noexcept { return ladder_.image; }
  /// The crash kernel, to look at.
  [[nodiscard]] const crash_image<P>& image() const noexcept { return ladder_.image; }
  /// What each CPU has said.
  [[nodiscard]] const messages_type& messages() const noexcept { return ladder_.messages; }

 protected:
  /// This CPU's number; P::max_cpus for the one without a number that has the place (place.hpp); else no_cpu.
  [[nodiscard]] cpu_id number() const noexcept { return place_.number(); }

  /// The number of a CPU that panics with this message. A CPU without a number takes the place (place.hpp), then asks
  /// the port for a number. In this order an adopt_this_cpu() that faults is not called again.
  [[nodiscard, gnu::noinline]] cpu_id number_or_park(const char* message) noexcept {
    const cpu_id me = number_or_place();
    return me <= P::max_cpus ? me : spare_or_park(message);
  }

  /// The same, but no_cpu where another CPU has the place.
  [[nodiscard]] cpu_id number_or_place() noexcept {
    const cpu_id me = number();
    if (me <= P::max_cpus) [[likely]]
      return me;
    if (!place_.take()) return no_cpu;
    const cpu_id adopted = adopt();
    if (adopted >= P::max_cpus) return P::max_cpus;
    place_.leave();
    return adopted;
  }

  /// The panic of this CPU; interrupts off. It keeps its message and registers, under one mark, before it claims the
  /// gate: as a loser it may be stopped at any moment.
  [[noreturn, gnu::cold, gnu::always_inline]] void panic_on(cpu_id me, const registers* regs,
                                                            const char* message) noexcept {
    ladder_.go_down(me, claim_for_panic(me, regs, message));
  }

  /// The same as far as the claim. A loser does not come back from it.
  [[nodiscard, gnu::cold]] crash_record<registers> claim_for_panic(cpu_id me, const registers* regs,
                                                                   const char* message) noexcept {
    const with_the_port use = descend(me);
    const crash_record<registers> why = keep(me, regs, message);
    if (use == with_the_port::no || ladder_.gate.claim(hold::final, me).outcome == claim_outcome::other)
      wait_for_gate(ladder_.gate, ladder_.cpus, regs, me, use);
    return why;
  }

  /// Counts that this CPU panics once more.
  [[nodiscard]] with_the_port descend(cpu_id me) noexcept {
    return with_the_port{ladder_.cpus.count_descent(me) < descents_with_the_port};
  }

  /// The crash with this message, or, where it is null, with the text that was kept.
  [[nodiscard]] crash_record<registers> record_of(cpu_id me, panic_context in, const char* message,
                                                  const registers* regs) const noexcept {
    if constexpr (ladder_type::reports) return {message_of(me, in, message), regs};
    return {"", regs};
  }

  /// Keeps this CPU's message, and under the same mark the registers of its first crash in thread or irq context. False
  /// when there is a text already.
  [[gnu::noinline]] bool keep_text(cpu_id me, panic_context in, const char* message, const registers* regs) noexcept {
    return ladder_.messages.keep(me, in, message, [&]() noexcept {
      if (in == panic_context::normal) ladder_.cpus.save_registers_of_panic(me, regs);
    });
  }

  /// All that the path consists of.
  ladder_type ladder_{};

 private:
  friend struct detail::inside;

  // The oops that crash_kexec() works on. It is on that call's stack, and published by one store.
  struct oops_record {
    const registers* regs;
    const char* why;
  };

  [[nodiscard, gnu::noinline]] const char* message_of(cpu_id me, panic_context in, const char* message) const noexcept {
    if (message == nullptr) message = ladder_.messages.text(me, in, true);
    return *message != '\0' ? message : "(no message)";
  }

  [[nodiscard]] static cpu_id adopt() noexcept {
    if constexpr (detail::has_adopt_this_cpu<P>) {
      if (P::adopt_this_cpu() < P::max_cpus) return P::this_cpu();
    }
    return no_cpu;
  }

  // For a CPU without a number when another one has the place. It keeps its message as a spare one, then is adopted or
  // parks. When it comes again, it has faulted in that; it reads the gate for ever.
  [[nodiscard, gnu::always_inline]] cpu_id spare_or_park(const char* message) noexcept {
    const uint32_t mine = place_.take_spare();
    while (mine == messages_type::spares) (void)ladder_.gate.read();
    ladder_.messages.keep_spare(mine, message);
    const cpu_id adopted = adopt();
    if (adopted >= P::max_cpus) self_stop<P>();
    return adopted;
  }

  // Whether this CPU is in a panic or in a crash_kexec() of its own. The CPU that has the place is in a panic.
  [[nodiscard]] bool is_dying(cpu_id me) const noexcept {
    const auto has_said = [this, me](panic_context c) noexcept {
      return ladder_.messages.state(me, c) != message_state::none;
    };
    return me <= P::max_cpus && (me == P::max_cpus || ladder_.gate.read().is_held_by(me) ||
                                 has_said(panic_context::normal) || has_said(panic_context::nmi));
  }

  // Keeps message and registers of this panic, and answers the first crash of this CPU, for the report. The first crash
  // may be the oops of a crash_kexec() that has faulted: this panic is nested in that call, so its frame is still
  // there. A panic behind one in NMI context counts as nested, too.
  [[gnu::always_inline]] crash_record<registers> keep(cpu_id me, const registers* regs, const char* message) noexcept {
    const bool holds = ladder_.gate.read().is_held_by(me);
    // (2) acquire: pairs with release (1), of a crash_kexec() on this CPU that this panic is nested in.
    const auto* oops = holds ? reinterpret_cast<const oops_record*>(oops_.load(order::acquire)) : nullptr;
    if (oops != nullptr) (void)keep_text(me, panic_context::normal, oops->why, oops->regs);
    const bool is_first = oops == nullptr && ladder_.messages.state(me, panic_context::nmi) == message_state::none;
    if (!keep_text(me, is_first ? panic_context::normal : panic_context::nested, message, regs))
      (void)keep_text(me, panic_context::nested, message, regs);
    const registers* of_first = ladder_.cpus.registers_of_panic(me);
    const bool first = of_first != nullptr && messages_type::room > 1;
    return first ? record_of(me, panic_context::normal, nullptr, of_first)
                 : record_of(me, panic_context::nested, message, regs);
  }

  // For a CPU that holds the gate. Returns when there is no image to start.
  [[gnu::always_inline]] kexec_outcome start_or_say_why(cpu_id me, bool on_trial, const registers* regs,
                                                        const char* why) noexcept {
    const image_outcome reserved = ladder_.image.reserve();
    if (reserved != image_outcome::reserved) return outcome_of(reserved);
    if (on_trial && !ladder_.image.intact()) {
      ladder_.image.hand_back();
      return kexec_outcome::image_corrupt;
    }
    if (why != nullptr) (void)keep_text(me, panic_context::normal, why, regs);
    ladder_.go_on(me, regs);
  }

  kexec_outcome crash_kexec_irqs_off(const registers* regs, const char* why) noexcept {
    const cpu_id me = number();
    if (is_dying(me)) panic_on(me, regs, why);
    if (me >= P::max_cpus) return kexec_outcome::unknown_cpu;
    if (Policy::crash_kexec_post_notifiers) return kexec_outcome::left_to_panic;
    if (!ladder_.gate.claim(hold::trial, me).won()) return kexec_outcome::held_by_other;
    registers here;
    if (regs == nullptr) P::capture_registers(here), regs = &here;
    if (why == nullptr) why = "oops";
    const oops_record mine{regs, why};
    oops_.store(reinterpret_cast<uintptr_t>(&mine), order::release);  // (1) release: pairs with acquire (2)
    const kexec_outcome out = start_or_say_why(me, true, regs, why);
    oops_.store(0, order::release);  // (1)
    if (ladder_.gate.release(me) == release_outcome::panic_pending) {
      (void)keep_text(me, panic_context::nested, why, regs);  // without its registers: the NMI's are kept
      ladder_.go_down(me, record_of(me, panic_context::nmi, nullptr, &ladder_.nmi_registers));
    }
    return out;
  }

  typename P::template atomic<uintptr_t> oops_{};  // the oops_record of the crash_kexec() that holds the gate
  place<P, messages_type::spares> place_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
