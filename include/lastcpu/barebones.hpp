// SPDX-License-Identifier: BSL-1.0
#pragma once
// The least that still has one winner: gate, stop, messages and a summary, without crash kernel and without the ladder
// that leads to it. A third of crash_domain's code, for machines that count bytes.
//
//     constinit lastcpu::bare_domain<my_port, my_policy> machine;
//
// What it has in common with crash_domain (panic.hpp) has the same names and contracts; a fault goes on at the next step
// here, too; the summary is in the order of the CPUs. Of a policy it uses rungs, message_bytes, report, summary, flush, restarts and on_oops; of a port no image, and
// no clock where it has none. At its end stand P::emergency_restart() and P::park().
// Not here: crash kernels, notifiers, CPUs without a number (one that panics parks, and is not heard of).
// The gate is never given back here, so a loser has nothing to wait for: it parks for good at once.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/bare_stop.hpp>
#include <lastcpu/barebones/bare_messages.hpp>
#include <lastcpu/kexec_outcome.hpp>
#include <lastcpu/ladder/rungs.hpp>
#include <lastcpu/ladder/step_hook.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/self_stop.hpp>
#include <lastcpu/step.hpp>

namespace lastcpu {

/// A machine's end, in few bytes: what a kernel defines once and calls, in place of a crash_domain.
template <class P, class Policy = panic_policy>
class bare_domain {
  static_assert(platform_checked<P>);
  using rungs = detail::rungs_of<P, Policy>;
  static_assert(rungs::count >= 1);

 public:
  /// What handlers hand over.
  using registers = typename P::registers;
  /// As panic_messages, or nothing where the policy keeps none.
  using messages_type = detail::bare_messages<P, Policy::message_bytes>;

  /// Nobody has died. All zeros, so that it lies in .bss.
  constexpr bare_domain() noexcept = default;

  ///@{
  /// As crash_domain has it: context, obligations and what comes back are the same.
  [[noreturn, gnu::cold, gnu::noinline]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    panic_begin(message, regs);
    finish(P::this_cpu());
  }

  [[gnu::cold, gnu::noinline]] void panic_begin(const char* message, const registers* regs = nullptr) noexcept {
    (void)P::irq_save();
    const cpu_id me = number_or_park();
    const auto keep_registers = [&]() noexcept { cpus_.save_registers(me, regs); };
    if (!messages_.keep(me, panic_context::normal, message, keep_registers))
      (void)messages_.keep(me, panic_context::nested, message);
    if (gate_.claim(hold::final, me).outcome == claim_outcome::other) stop_as_loser(me, regs);
    go_to_the_words(me, message, regs);
  }

  [[gnu::cold]] void nmi_panic(const char* message, const registers& regs) noexcept {
    if (nmi_panic_begin(message, regs)) finish(P::this_cpu());
  }

  [[nodiscard, gnu::cold, gnu::noinline]] bool nmi_panic_begin(const char* message, const registers& regs) noexcept {
    const cpu_id me = number_or_park();
    (void)messages_.keep(me, panic_context::nmi, message);
    const claim_outcome mine = gate_.claim(hold::final, me).outcome;  // nobody holds it on trial
    if (mine == claim_outcome::mine_already) return false;
    if (mine == claim_outcome::other) stop_as_loser(me, &regs);
    go_to_the_words(me, message, &regs);
    return true;
  }

  [[noreturn, gnu::cold]] void panic_end() noexcept {
    const cpu_id me = P::this_cpu();
    const gate_word now = gate_.read();
    if (!now.is_held_by(me) || now.step() < static_cast<uint32_t>(step::words)) panic("panic_end() alone");
    finish(me);
  }

  [[nodiscard, gnu::cold]] char* message_begin(uint32_t& room, panic_context in = panic_context::normal) noexcept {
    (void)P::irq_save();
    const cpu_id me = P::this_cpu();
    char* text = messages_.format(me, in);
    if (text == nullptr && in == panic_context::normal) text = messages_.format(me, panic_context::nested);
    room = text != nullptr ? messages_type::room : 0;
    return text;
  }
  [[gnu::cold]] void message_end(panic_context in = panic_context::normal) noexcept {
    const cpu_id me = P::this_cpu();
    if (in == panic_context::normal && messages_.formatted(me, panic_context::nested)) return;
    (void)messages_.formatted(me, in);
  }
  ///@}

  /// As the policy's on_oops() says, but there is no crash kernel: a panic, or life goes on. Inside a panic it is one.
  kexec_outcome oops(const registers& regs, const char* why) noexcept {
    const typename P::irq_state irqs = P::irq_save();
    if (gate_.on_this_cpu() || Policy::on_oops() == oops_action::panic) panic(why, &regs);
    P::irq_restore(irqs);
    return kexec_outcome::no_image;
  }

  ///@{
  /// As crash_domain has it: one acquire load while nobody has died, the end of this CPU where another one has
  /// committed.
  void handle_nmi(const registers& regs) noexcept { stop_if_asked(&regs, stop_state::by_nmi); }
  void handle_stop_irq(const registers& regs) noexcept { stop_if_asked(&regs, stop_state::by_irq); }
  void come_online() noexcept { stop_if_asked(nullptr, stop_state::by_irq); }
  ///@}

  ///@{
  /// To look at, as crash_domain has it. Any context.
  [[nodiscard]] bool on_this_cpu() const noexcept { return gate_.on_this_cpu(); }
  [[nodiscard]] bool on_other_cpu() const noexcept { return gate_.on_other_cpu(); }
  [[nodiscard]] bool is_stopped(cpu_id cpu) const noexcept {
    const gate_word seen = gate_.read();
    return seen.is_committed() && !seen.is_held_by(cpu) && cpus_.acknowledged(cpu);
  }
  [[nodiscard]] stop_state state_of(cpu_id cpu) const noexcept { return cpus_.state_of(cpu, gate_.read().owner()); }
  [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return cpus_.registers_of(cpu); }

  [[nodiscard]] const panic_cpu<P>& gate() const noexcept { return gate_; }
  [[nodiscard]] const bare_stop<P>& cpus() const noexcept { return cpus_; }
  [[nodiscard]] const messages_type& messages() const noexcept { return messages_; }
  ///@}

 private:
  [[nodiscard]] static cpu_id number_or_park() noexcept {
    const cpu_id me = P::this_cpu();
    if (me >= P::max_cpus) self_stop<P>();
    return me;
  }

  // Some of the ladder's steps, in its order; behind a fault the next one is begun.
  [[nodiscard, gnu::noinline]] bool begin(step s) noexcept {
    hooks_.call(s);
    const phase needed = s < step::commit ? phase::panicking : phase::dumping;
    return gate_.begin_step(static_cast<uint32_t>(s), needed) == step_outcome::begun;
  }

  // Who comes again has faulted in what the port does for it: it does without.
  [[noreturn, gnu::noinline]] void stop_as_loser(cpu_id me, const registers* regs) noexcept {
    cpus_.save_registers(me, regs);
    P::make_resettable();
    if (cpus_.acknowledge(me, stop_state::parked)) self_stop<P>();
    for (;;) (void)gate_.read();
  }

  [[gnu::noinline]] void go_to_the_words(cpu_id me, const char* message, const registers* regs) noexcept {
    cpus_.save_registers(me, regs);
    if (begin(step::report)) Policy::report(panic_info<registers>{me, message != nullptr ? message : "", regs});
    (void)begin(step::commit);
    for (uint32_t i = 0; i < rungs::count; ++i)
      if (begin(static_cast<step>(static_cast<uint32_t>(step::rung_0) + i))) cpus_.climb(me, rungs::all[i]);
    if (!begin(step::words)) finish(me);
  }

  [[noreturn, gnu::noinline]] void finish(cpu_id me) noexcept {
    if constexpr (detail::has_summary<Policy, cpu_note<registers>>)
      if (begin(step::summary) || begin(step::summary_again)) sum_up_the_rest(me);
    if (begin(step::flush)) Policy::flush();
    if (Policy::restarts && begin(step::restart)) P::emergency_restart();
    if (begin(step::halt)) P::park();
    for (;;) (void)gate_.read();
  }

  // Moves on before it says a line: behind a fault in it, the next one is said.
  void sum_up_the_rest(cpu_id me) noexcept {
    for (cpu_id cpu; (cpu = summed_up_.load(order::relaxed)) < P::max_cpus;) {
      summed_up_.store(cpu + 1, order::relaxed);
      sum_up(cpu, me);
    }
  }
  void sum_up(cpu_id cpu, cpu_id me) const noexcept {
    const stop_state state =
        cpus_.state_of(cpu, me);  // before the texts: of one that has answered by then they are whole
    const bool stopped = state != stop_state::silent && state != stop_state::absent;
    cpu_note<registers> note;
    note.cpu = cpu;
    note.state = state;
    note.crashing = cpu == me;
    note.registers = stopped ? cpus_.saved(cpu) : nullptr;
    if (messages_.describe(cpu, stopped, note) || state != stop_state::absent) Policy::summary(note);
  }

  void stop_if_asked(const registers* regs, stop_state how) noexcept {
    const gate_word seen = gate_.read();
    if (seen.is_open()) [[likely]]
      return;
    if (seen.is_committed()) stop_unless_owner(seen, regs, how);
  }
  [[gnu::cold, gnu::noinline]] void stop_unless_owner(gate_word seen, const registers* regs, stop_state how) noexcept {
    const cpu_id me = P::this_cpu();
    if (seen.is_held_by(me)) return;
    if (me < P::max_cpus) {
      cpus_.save_registers(me, regs);
      P::make_resettable();
      (void)cpus_.acknowledge(me, how);
    }
    for (;;) P::park();
  }

  panic_cpu<P> gate_{};
  typename P::template atomic<uint32_t> summed_up_{};  // the owner's: CPUs whose line in the summary is begun
  bare_stop<P> cpus_{};
  [[no_unique_address]] messages_type messages_{};
  [[no_unique_address]] detail::step_hook<P, Policy> hooks_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
