// SPDX-License-Identifier: BSL-1.0
#pragma once
// From a crash to the crash kernel: crash_kexec() claims the gate, __crash_kexec() is for who already has it.
//
// The names are Linux's, the reserved one too: kernel authors know the pair, and a member of a class collides with
// nothing. Linux's split stands because a panic owns the gate before it looks for an image, and an oops must not
// bypass it: both end in the same ladder of steps, here.
// Not here: panic() and the handlers (panic.hpp).

#include <lastcpu/crash_image.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/panic_message.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/self_stop.hpp>
#include <lastcpu/stop_cpus.hpp>

namespace lastcpu {

/// Why crash_kexec() came back. Life goes on as before the call.
enum class kexec_outcome : uint8_t {
  no_image,       // none is loaded
  image_busy,     // it is being replaced right now
  image_corrupt,  // it is not what was loaded
  left_to_panic,  // Policy::crash_kexec_post_notifiers: only a panic starts the crash kernel
  mine_already,   // this CPU is in it already, further out
  held_by_other,  // another CPU is in it: it may dump this one, too
  not_the_owner,  // __crash_kexec() by a CPU that does not hold the gate
  unknown_cpu,    // this_cpu() is not below max_cpus
};

[[nodiscard]] constexpr const char* to_string(kexec_outcome o) noexcept {
  constexpr const char* names[] = {"no_image",     "image_busy",    "image_corrupt", "left_to_panic",
                                   "mine_already", "held_by_other", "not_the_owner", "unknown_cpu"};
  return static_cast<uint32_t>(o) < sizeof names / sizeof *names ? names[static_cast<uint32_t>(o)] : "?";
}

template <class P, class Policy = panic_policy>
class crash_path {
  static_assert(platform_checked<P>);
  static constexpr uint32_t rung_count = sizeof(Policy::rungs) / sizeof(rung);
  static_assert(rung_count >= 1 && rung_count <= max_rungs, "lastcpu: a policy has one to four rungs");

 public:
  using registers = typename P::registers;
  using messages_type = panic_messages<P, Policy::message_bytes>;

  constexpr crash_path() noexcept = default;

  /// Starts the crash kernel for an oops with these registers (the caller's where null), if one is loaded. `why` is
  /// kept as this CPU's message when the call does not return. Thread or irq context. Returns when there is nothing to
  /// start or somebody else is at it, with interrupts as they were and nothing changed; does not return when an NMI
  /// panicked on this CPU meanwhile: it goes on as that panic.
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    const kexec_outcome out = crash_kexec_irqs_off(regs, why);
    P::irq_restore(irqs);
    return out;
  }

  /// The same for who holds the gate, on trial or for good; interrupts off. Returns only before it has committed, with
  /// the reason; the gate stays with the caller.
  kexec_outcome __crash_kexec(const registers* regs, const char* why = nullptr) noexcept {
    if (!gate_.on_this_cpu()) return kexec_outcome::not_the_owner;
    const image_outcome claimed = image_.claim();
    if (claimed != image_outcome::claimed) return reason(claimed);
    keep_reason(why);
    end_of_the_ladder(regs);
  }

  /// Stops every other CPU for an owner that has committed; again: the first report. See stop_cpus::stop_others().
  typename stop_cpus<P>::report_type stop_others() noexcept { return cpus_.stop_others(gate_, Policy::rungs); }

  /// The primitives that this path is made of.
  [[nodiscard]] panic_cpu<P>& gate() noexcept { return gate_; }
  [[nodiscard]] const panic_cpu<P>& gate() const noexcept { return gate_; }
  [[nodiscard]] stop_cpus<P>& cpus() noexcept { return cpus_; }
  [[nodiscard]] const stop_cpus<P>& cpus() const noexcept { return cpus_; }
  [[nodiscard]] crash_image<P>& image() noexcept { return image_; }
  [[nodiscard]] const crash_image<P>& image() const noexcept { return image_; }
  [[nodiscard]] const messages_type& messages() const noexcept { return messages_; }

  /// For a machine that starts anew (the child of a fork): as if newly made. True when `inherited` is an image that
  /// the new machine does not keep. No other CPU may be there yet.
  [[nodiscard]] bool forget(typename P::image& inherited) noexcept {
    gate_.forget();
    remember_oops(nullptr, nullptr);
    cpus_.forget();
    messages_.forget();
    return image_.forget(inherited);
  }

 protected:
  /// For a panic that a fault inside this CPU's crash_kexec() has become: the oops was first, its registers and its
  /// reason are kept before the fault's. Its frame is still there, for this is nested in it.
  void keep_oops(cpu_id me) noexcept {
    if (!gate_.on_this_cpu()) return;
    const auto* regs = reinterpret_cast<const registers*>(oops_registers_.load(order::acquire));
    keep_reason(reinterpret_cast<const char*>(oops_why_.load(order::acquire)));
    if (regs != nullptr) cpus_.save_registers(me, regs);
  }

  /// Goes down the whole ladder as a panic. The caller holds the gate for good, perhaps after it was parked.
  [[noreturn, gnu::cold]] void panic_ladder(const registers* regs, panic_context context) noexcept {
    const cpu_id me = P::this_cpu();
    cpus_.withdraw(me);
    cpus_.save_registers(me, regs);
    if (begin(step::report)) Policy::report(panic_info<registers>{me, messages_.text(me, context, true), regs});
    if constexpr (!Policy::crash_kexec_post_notifiers) {
      if (begin(step::image)) Policy::no_crash_kernel(__crash_kexec(regs));
    }
    end_of_the_ladder(regs);
  }

  panic_cpu<P> gate_{};
  stop_cpus<P> cpus_{};
  crash_image<P> image_{};
  messages_type messages_{};
  typename P::template atomic<uintptr_t> oops_registers_{};  // of the crash_kexec() that holds the gate; the owner's
  typename P::template atomic<uintptr_t> oops_why_{};
  registers nmi_registers_{};  // of an NMI panic that is pending; the owner's

 private:
  [[nodiscard]] bool begin(step s) noexcept {
    return gate_.begin_step(static_cast<uint32_t>(s), s == step::jump     ? phase::jumping
                                                      : s >= step::commit ? phase::dumping
                                                                          : phase::panicking);
  }

  [[nodiscard]] static constexpr kexec_outcome reason(image_outcome refused) noexcept {
    return refused == image_outcome::none   ? kexec_outcome::no_image
           : refused == image_outcome::busy ? kexec_outcome::image_busy
                                            : kexec_outcome::image_corrupt;
  }

  void remember_oops(const registers* regs, const char* why) noexcept {
    oops_why_.store(reinterpret_cast<uintptr_t>(why), order::release);  // acquire: keep_oops(), nested on this CPU
    oops_registers_.store(reinterpret_cast<uintptr_t>(regs), order::release);
  }

  void keep_reason(const char* why) noexcept {
    if (why != nullptr) (void)messages_.keep(P::this_cpu(), panic_context::normal, why);
  }

  kexec_outcome crash_kexec_irqs_off(const registers* regs, const char* why) noexcept {
    if constexpr (Policy::crash_kexec_post_notifiers) return kexec_outcome::left_to_panic;
    const claim_result mine = gate_.claim(hold::trial);
    switch (mine.outcome) {
      case claim_outcome::won:
        break;
      case claim_outcome::mine_already:
        return kexec_outcome::mine_already;
      case claim_outcome::other:
        return kexec_outcome::held_by_other;
      case claim_outcome::refused:
        return kexec_outcome::unknown_cpu;
    }
    cpus_.withdraw(P::this_cpu());
    remember_oops(regs, why);
    const kexec_outcome out = __crash_kexec(regs, why);
    remember_oops(nullptr, nullptr);
    if (gate_.release() == release_outcome::panic_pending) {
      keep_reason(why);
      panic_ladder(&nmi_registers_, panic_context::nmi);
    }
    return out;
  }

  // From the commit on: every other CPU stops, then the crash kernel, or what is left without one.
  [[noreturn, gnu::cold]] void end_of_the_ladder(const registers* regs) noexcept {
    const cpu_id me = P::this_cpu();
    stop_the_others(me, regs);
    if (image_.held() == nullptr) without_an_image();
    if (image_.held() != nullptr) start_the_image(me);
    if (begin(step::flush)) Policy::flush();
    if (Policy::restarts && begin(step::restart)) {
      delay_restart();
      P::emergency_restart();
    }
    if (begin(step::halt)) P::halt();
    for (;;) P::park();
  }

  void stop_the_others(cpu_id me, const registers* regs) noexcept {
    if (begin(step::expect)) cpus_.expect_all(me);
    (void)begin(step::commit);
    if (begin(step::registers)) cpus_.save_registers(me, regs);
    for (uint32_t i = 0; i < rung_count; ++i)
      if (begin(static_cast<step>(static_cast<uint32_t>(step::rung_0) + i))) cpus_.climb(me, i, Policy::rungs[i]);
    if (begin(step::collect)) cpus_.collect(me);
  }

  void without_an_image() noexcept {
    if (begin(step::notifiers)) {
      cpus_.report_to(report_);
      Policy::notifiers(report_);
    }
    if (begin(step::message_dump)) Policy::message_dump(*this);
    if constexpr (Policy::crash_kexec_post_notifiers) {
      if (begin(step::late_image)) claim_late_image();
    }
  }

  void claim_late_image() noexcept {
    const image_outcome claimed = image_.claim();
    if (claimed != image_outcome::claimed) Policy::no_crash_kernel(reason(claimed));
  }

  void start_the_image(cpu_id me) noexcept {
    if (begin(step::notes)) save_notes(me);
    if (begin(step::crash_shutdown)) {
      const registers* regs = cpus_.registers_of(me);
      P::crash_shutdown(regs != nullptr ? *regs : nmi_registers_);
    }
    if (begin(step::jump)) P::jump(*image_.held());
  }

  void save_notes(cpu_id me) noexcept {
    save_note(me, me);
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (cpu != me) save_note(cpu, me);
    save_note_of_the_unknown();
  }

  void save_note([[maybe_unused]] cpu_id cpu, [[maybe_unused]] cpu_id me) noexcept {
    if constexpr (detail::has_save_note<P>) {
      const stop_state state = cpus_.state_of(cpu);
      if (state == stop_state::absent) return;
      const bool stopped = cpu == me || (state != stop_state::silent && cpus_.acknowledged(cpu));
      const auto seen = [&](panic_context c) noexcept { return messages_.state(cpu, c); };
      using enum panic_context;
      const message_state seen_normal = seen(normal), seen_nmi = seen(nmi), seen_nested = seen(nested);
      const bool cut = seen_normal == message_state::writing || seen_nmi == message_state::writing ||
                       seen_nested == message_state::writing;
      P::save_note(*image_.held(),
                   cpu_note<registers>{cpu, state, cpu == me, stopped ? cpus_.registers_of(cpu) : nullptr,
                                       messages_.text(cpu, normal, stopped, seen_normal),
                                       messages_.text(cpu, nmi, stopped, seen_nmi),
                                       messages_.text(cpu, nested, stopped, seen_nested), cut});
    }
  }

  // What a CPU without a number had to say is kept, too; nobody can tell whether it runs.
  void save_note_of_the_unknown() noexcept {
    if constexpr (detail::has_save_note<P>) {
      const char* said = messages_.text(P::max_cpus, panic_context::normal, false);
      if (*said != '\0')
        P::save_note(*image_.held(),
                     cpu_note<registers>{no_cpu, stop_state::silent, false, nullptr, said, "", "", false});
    }
  }

  void delay_restart() const noexcept {
    if (Policy::restart_delay_us == 0) return;
    const uint64_t at = detail::deadline_in<P>(Policy::restart_delay_us);
    while (gate_.wait_while(gate_.read(), at)) {
    }
  }

  // For the notifiers; the owner's. Not on its stack: that may be an exception's, of 4 KiB.
  typename stop_cpus<P>::report_type report_{};
};

}  // namespace lastcpu
