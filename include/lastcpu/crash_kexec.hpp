// SPDX-License-Identifier: BSL-1.0
#pragma once
// From a crash to the crash kernel: crash_kexec() claims the gate, __crash_kexec() is for who already has it.
//
// The names are Linux's, the reserved one too: kernel authors know the pair, and a member of a class collides with
// nothing. Linux's split stands because a panic owns the gate before it looks for an image, and an oops must not
// bypass it: both end in the same ladder of steps (ladder.hpp).
// Not here: panic() and the handlers (panic.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/inside.hpp>
#include <lastcpu/ladder.hpp>
#include <lastcpu/place.hpp>
#include <lastcpu/self_stop.hpp>

namespace lastcpu {

template <class P, class Policy = panic_policy>
class crash_path {
 public:
  using registers = typename P::registers;
  using ladder_type = lastcpu::ladder<P, Policy>;
  using messages_type = typename ladder_type::messages_type;

  constexpr crash_path() noexcept = default;

  /// What a fault handler calls: dump, panic or go on, as Policy::on_oops() says. Inside a panic or a crash_kexec() of
  /// this CPU it is a panic, whatever the policy says. Thread or irq context. Returns as crash_kexec() does; the kernel
  /// then ends the context that faulted.
  kexec_outcome oops(const registers& regs, const char* why) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    if (is_dying(number())) panic_on(number_or_park(why), &regs, why);  // before anything of the policy's can fault
    const oops_action wanted = Policy::on_oops();
    if (wanted == oops_action::panic) panic_on(number_or_park(why), &regs, why);
    const kexec_outcome out =
        wanted == oops_action::dump ? crash_kexec_irqs_off(&regs, why) : kexec_outcome::left_to_policy;
    P::irq_restore(irqs);
    return out;
  }

  /// Starts the crash kernel for an oops with these registers (the caller's where null), if one is loaded. `why` is
  /// kept as this CPU's message when the call does not return. Thread or irq context. Returns when there is nothing to
  /// start or somebody else is at it, with interrupts as they were and nothing changed. Does not return
  /// - inside a panic or a crash_kexec() of this CPU: life can't go on as before the call, so it is a panic;
  /// - when an NMI panicked on this CPU meanwhile: it goes on as that panic.
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    const kexec_outcome out = crash_kexec_irqs_off(regs, why);
    P::irq_restore(irqs);
    return out;
  }

  /// The same for who holds the gate, on trial or for good; interrupts off. Returns only before it has committed, with
  /// the reason; the gate stays with the caller. On trial the image is checked before anybody is stopped.
  kexec_outcome __crash_kexec(const registers* regs, const char* why = nullptr) noexcept {
    const cpu_id me = number();
    const gate_word now = ladder_.gate.read();
    if (!now.is_held_by(me)) return kexec_outcome::not_the_owner;
    const image_outcome reserved = ladder_.image.reserve();
    if (reserved != image_outcome::reserved) return outcome_of(reserved);
    if (now.phase() == phase::trial && !ladder_.image.intact()) {
      ladder_.image.hand_back();
      return kexec_outcome::image_corrupt;
    }
    if (why != nullptr) (void)keep_pair(me, regs, why);
    ladder_.go_on(me, regs);
  }

  /// Stops every other CPU for an owner that has committed; again: the first report. See stop_cpus::stop_others().
  typename stop_cpus<P>::report_type stop_others() noexcept {
    return ladder_.cpus.stop_others(ladder_.gate, Policy::rungs, number());
  }

  /// This CPU owns the gate, or another one does: also right on the one CPU without a number that panics. For consoles
  /// and the like. One acquire load when nobody owns it.
  [[nodiscard]] bool on_this_cpu() const noexcept {
    const gate_word seen = ladder_.gate.read();
    return !seen.is_open() && seen.is_held_by(number());
  }
  [[nodiscard]] bool on_other_cpu() const noexcept {
    const gate_word seen = ladder_.gate.read();
    return !seen.is_open() && !seen.is_held_by(number());
  }

  /// The primitives that this path is made of, to look at. Only the image is a kernel's to change.
  [[nodiscard]] const panic_cpu<P>& gate() const noexcept { return ladder_.gate; }
  [[nodiscard]] const stop_cpus<P>& cpus() const noexcept { return ladder_.cpus; }
  [[nodiscard]] crash_image<P>& image() noexcept { return ladder_.image; }
  [[nodiscard]] const crash_image<P>& image() const noexcept { return ladder_.image; }
  [[nodiscard]] const messages_type& messages() const noexcept { return ladder_.messages; }

  /// For a machine that starts anew (the child of a fork): as if newly made. True when `inherited` is an image that
  /// the new machine does not keep. No other CPU may be there yet.
  [[nodiscard]] bool forget(typename P::image& inherited) noexcept {
    oops_.store(0, order::relaxed);
    place_.forget();
    return ladder_.forget(inherited);
  }

 protected:
  /// See place.hpp.
  [[nodiscard]] cpu_id number() const noexcept { return place_.number(); }

  /// The same for a panic with this message: a CPU without a number takes the place, and is adopted where the port can.
  /// The place comes first: an adopt_this_cpu() that faults is not called again.
  [[nodiscard, gnu::noinline]] cpu_id number_or_park(const char* message) noexcept {
    const cpu_id me = number();
    if (me <= P::max_cpus) [[likely]]
      return me;
    if (!place_.take()) return spare_or_park(message);
    const cpu_id adopted = adopt();
    if (adopted >= P::max_cpus) return P::max_cpus;
    place_.leave();
    return adopted;
  }

  /// The panic of this CPU; interrupts off. What it says and its registers are kept under one mark before it claims the
  /// gate: from there on it may be stopped at any moment.
  [[noreturn, gnu::cold]] void panic_on(cpu_id me, const registers* regs, const char* message) noexcept {
    const bool with_the_port = ladder_.cpus.count_descent(me) < descents_with_the_port;
    const crash_record<registers> why = keep(me, regs, message);
    if (!with_the_port)
      watch_as_loser(ladder_.gate, ladder_.cpus, me);
    else if (ladder_.gate.claim(hold::final, me).outcome == claim_outcome::other)
      stop_as_loser(ladder_.gate, ladder_.cpus, regs, me);
    ladder_.go_down(me, why);
  }

  ladder_type ladder_{};

 private:
  friend struct detail::inside;

  // The one that crash_kexec() is at; on its stack, published by one store.
  struct oops_record {
    const registers* regs;
    const char* why;
  };

  [[nodiscard]] static cpu_id adopt() noexcept {
    if constexpr (detail::has_adopt_this_cpu<P>) {
      if (P::adopt_this_cpu() < P::max_cpus) return P::this_cpu();
    }
    return no_cpu;
  }

  // Another CPU without a number has the place, and its panic goes on. This one keeps its message, is adopted or parks,
  // and when it comes again, for that has faulted, it reads the gate for ever.
  [[nodiscard]] cpu_id spare_or_park(const char* message) noexcept {
    const uint32_t mine = place_.take_spare();
    while (mine == messages_type::spares) (void)ladder_.gate.read();
    ladder_.messages.keep_spare(mine, message);
    const cpu_id adopted = adopt();
    if (adopted >= P::max_cpus) self_stop<P>();
    return adopted;
  }

  // In a panic, or in a crash_kexec(), of its own. Who has the place is in a panic.
  [[nodiscard]] bool is_dying(cpu_id me) const noexcept {
    const auto has_said = [this, me](panic_context c) noexcept {
      return ladder_.messages.state(me, c) != message_state::none;
    };
    return me <= P::max_cpus && (me == P::max_cpus || ladder_.gate.read().is_held_by(me) ||
                                 has_said(panic_context::normal) || has_said(panic_context::nmi));
  }

  // The text and the registers of this CPU's first crash, under one mark. False when there is one.
  [[gnu::noinline]] bool keep_pair(cpu_id me, const registers* regs, const char* message) noexcept {
    return ladder_.messages.keep(me, panic_context::normal, message,
                                 [&]() noexcept { ladder_.cpus.save_registers_of_panic(me, regs); });
  }

  // Keeps what this panic has to say, and answers the first crash of this CPU, for the report. That may be the oops of a
  // crash_kexec() that has faulted: its frame is still there, for this is nested in it. Behind a panic in NMI this one is
  // nested, too.
  crash_record<registers> keep(cpu_id me, const registers* regs, const char* message) noexcept {
    const auto* oops =
        ladder_.gate.read().is_held_by(me) ? reinterpret_cast<const oops_record*>(oops_.load(order::acquire)) : nullptr;
    const bool behind_nmi = oops == nullptr && ladder_.messages.state(me, panic_context::nmi) != message_state::none;
    if (oops != nullptr) (void)keep_pair(me, oops->regs, oops->why);
    if (oops != nullptr || behind_nmi || !keep_pair(me, regs, message))
      (void)ladder_.messages.keep(me, panic_context::nested, message);
    const registers* of_first = ladder_.cpus.registers_of_panic(me);
    if (of_first == nullptr) return {message != nullptr ? message : "(no message)", regs};
    const char* said = ladder_.messages.text(me, panic_context::normal, true);
    return {*said != '\0' ? said : "(no message)", of_first};
  }

  kexec_outcome crash_kexec_irqs_off(const registers* regs, const char* why) noexcept {
    const cpu_id me = number();
    if (is_dying(me)) panic_on(me, regs, why);
    if (me >= P::max_cpus) return kexec_outcome::unknown_cpu;
    if (Policy::crash_kexec_post_notifiers) return kexec_outcome::left_to_panic;
    if (!ladder_.gate.claim(hold::trial, me).won()) return kexec_outcome::held_by_other;
    registers here;
    if (regs == nullptr) P::capture_registers(here);
    const oops_record mine{regs != nullptr ? regs : &here, why != nullptr ? why : "oops"};
    oops_.store(reinterpret_cast<uintptr_t>(&mine), order::release);  // acquire: keep(), nested on this CPU
    const kexec_outcome out = __crash_kexec(mine.regs, mine.why);
    oops_.store(0, order::release);
    if (ladder_.gate.release() == release_outcome::panic_pending) {
      (void)ladder_.messages.keep(me, panic_context::nested, mine.why);  // the registers that are kept are the NMI's
      ladder_.go_down(me, {ladder_.messages.text(me, panic_context::nmi, true), &ladder_.nmi_registers});
    }
    return out;
  }

  typename P::template atomic<uintptr_t> oops_{};  // the oops_record of the crash_kexec() that holds the gate
  place<P, messages_type::spares> place_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
