// SPDX-License-Identifier: BSL-1.0
#pragma once
// The ladder: what the owner of the gate does, in fixed steps, from the report to the crash kernel or the restart.
//
// Guarantee: each step runs at most once, for it begins with one exchange on the gate word. A panic inside a step goes
// on at the next one. Whatever can't be undone directly follows such an exchange, so that only the owner does it.
// Not here: which CPU may go down (panic_cpu.hpp), and how it comes here (crash_kexec.hpp, panic.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/crash_image.hpp>
#include <lastcpu/kexec_outcome.hpp>
#include <lastcpu/ladder/rungs.hpp>
#include <lastcpu/ladder/step_hook.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/panic_message.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/step.hpp>
#include <lastcpu/stop_cpus.hpp>

namespace lastcpu {

/// One crash, for the report: message and registers are of the same crash.
template <class Registers>
struct crash_record {
  const char* message;         ///< never null
  const Registers* registers;  ///< null where a panic inside another one has handed over none
};

/// Why crash_kexec() comes back, for what crash_image::reserve() has answered.
[[nodiscard]] constexpr kexec_outcome outcome_of(image_outcome o) noexcept {
  return o == image_outcome::none   ? kexec_outcome::no_image
         : o == image_outcome::busy ? kexec_outcome::image_busy
                                    : kexec_outcome::image_corrupt;
}

/// How often a CPU may begin to panic before it waits without the port's help: once in a thread, once in an NMI, and
/// once for a fault in either. A CPU that comes once more has faulted in what the port does for a loser.
inline constexpr uint32_t descents_with_the_port = 3;

/// The steps, over the primitives that they use: for the owner of the gate, interrupts off or NMI context. The
/// functions take the owner's own number, or P::max_cpus for the one without a number. Users have it in a crash_domain.
template <class P, class Policy>
class ladder {
  static_assert(platform_checked<P>);
  using rungs = detail::rungs_of<P, Policy>;
  static_assert(rungs::count >= 1);

 public:
  /// What is saved of a CPU.
  using registers = typename P::registers;
  /// The texts, as long as the policy says.
  using messages_type = panic_messages<P, Policy::message_bytes>;
  /// Whether the policy has a report; if not, nobody asks for the message of a crash_record.
  static constexpr bool reports = !detail::same_as<decltype(Policy::report(panic_info<registers>{})), nothing_to_do>;

  /// Nobody has died. All zeros.
  constexpr ladder() noexcept = default;

  /// The whole ladder, for a panic.
  [[noreturn, gnu::cold]] void go_down(cpu_id me, crash_record<registers> why) noexcept {
    look_for_an_image(me, why);
    go_on(me, why.registers);
  }

  /// The ladder as far as the kernel's own words, after the stop. True when they are still to be said. finish() comes
  /// next.
  [[nodiscard, gnu::cold]] bool go_to_the_words(cpu_id me, crash_record<registers> why) noexcept {
    look_for_an_image(me, why);
    stop_the_others(me, why.registers);
    return begin(me, step::words);
  }

  /// The ladder from step::expect on, for an owner that has reserved an image or found none.
  [[noreturn, gnu::cold]] void go_on(cpu_id me, const registers* regs) noexcept {
    stop_the_others(me, regs);
    finish(me);
  }

  /// The ladder after the kernel's own words, for an owner that has stopped the others.
  [[noreturn, gnu::cold]] void finish(cpu_id me) noexcept {
    sum_up(me);
    if (image.held() == nullptr) without_an_image(me);
    if (const auto* held = image.held(); held != nullptr) start_the_image(me, *held);
    if (begin(me, step::flush)) {
      gate.wake_losers();
      Policy::flush();
    }
    if (Policy::restarts) {
      if (begin(me, step::delay)) delay_restart();
      if (begin(me, step::restart)) P::emergency_restart();
    }
    if (begin(me, step::halt)) P::halt();
    park(me);
  }

  panic_cpu<P> gate{};        ///< who owns the ladder
  stop_cpus<P> cpus{};        ///< how the others are stopped
  crash_image<P> image{};     ///< the crash kernel
  messages_type messages{};   ///< what each CPU has said
  registers nmi_registers{};  ///< of a pending NMI panic; written on the CPU that holds the gate

 private:
  // True when the caller runs the step. A CPU that does not hold the gate any more parks.
  [[nodiscard, gnu::noinline]] bool begin(cpu_id me, step s) noexcept {
    hooks_.call(s);
    const step_outcome out = gate.begin_step(static_cast<uint32_t>(s), phase_needed_by(s), me);
    if (out == step_outcome::not_mine) [[unlikely]]
      park(me);
    if constexpr (detail::has_save_note<P>) {
      if (!stamped_) stamp();
    }
    return out == step_outcome::begun;
  }

  // Tried once: a clock that faults costs one step.
  void stamp() noexcept {
    static_cast<volatile bool&>(stamped_) = true;
    panic_ticks_ = P::now();
  }

  // Parks, or reads the gate for ever where P::park() has faulted again and again.
  [[noreturn]] void park(cpu_id me) noexcept {
    if (cpus.count_descent(me) < descents_with_the_port + step_count)
      for (;;) P::park();
    for (;;) (void)gate.read();
  }

  void look_for_an_image(cpu_id me, crash_record<registers> why) noexcept {
    cpus.withdraw(me);
    cpus.save_registers(me, why.registers);
    if (begin(me, step::report))
      Policy::report(panic_info<registers>{me < P::max_cpus ? me : no_cpu, why.message, why.registers});
    if (!Policy::crash_kexec_post_notifiers && begin(me, step::image)) (void)image.reserve();
  }

  void stop_the_others(cpu_id me, const registers* regs) noexcept {
    if (begin(me, step::expect)) cpus.expect_all(me);
    (void)begin(me, step::commit);
    if (begin(me, step::registers)) cpus.save_registers(me, regs);
    for (uint32_t i = 0; i < rungs::count; ++i) climb(me, i);
    (void)begin(me, step::collect);
    cpus.collect(me);  // not only where the step begins here: a fault may have come between the two lines
    check_the_image(me, step::check);
    check_the_image(me, step::check_again);
  }

  // Out of line: its set of CPUs is off the stack before the later steps, which may fault.
  [[gnu::noinline]] void climb(cpu_id me, uint32_t rung) noexcept {
    if (begin(me, static_cast<step>(static_cast<uint32_t>(step::rung_0) + rung)))
      cpus.climb(me, rung, rungs::all[rung]);
  }

  // After the stop only a silent CPU can still write to the image. A check that a fault cuts off is made once more.
  [[gnu::noinline]] void check_the_image(cpu_id me, step s) noexcept {
    if (image.is_reserved() && begin(me, s)) (void)image.check();
  }

  // The way to the restart. It asks for an image once more: a reload that was under way at the crash may be complete
  // now.
  [[gnu::always_inline]] void without_an_image(cpu_id me) noexcept {
    if (begin(me, step::notifiers)) notify();
    if (begin(me, step::message_dump)) Policy::message_dump(messages);
    if (begin(me, step::late_image)) image.give_up();
    (void)image.reserve();
    check_the_image(me, step::late_check);
    check_the_image(me, step::late_check_again);
    if (image.held() == nullptr && begin(me, step::no_kernel)) Policy::no_crash_kernel(outcome_of(image.why_none()));
  }

  void notify() noexcept {
    if constexpr (!detail::same_as<decltype(Policy::notifiers(report_)), nothing_to_do>) {
      cpus.report_to(report_);
      Policy::notifiers(report_);
    }
  }

  [[gnu::always_inline]] void start_the_image(cpu_id me, const typename P::image& i) noexcept {
    if (begin(me, step::notes)) save_notes(me, i);
    if (begin(me, step::crash_shutdown)) {
      gate.wake_losers();
      const registers* regs = cpus.registers_of(me, me);
      P::crash_shutdown(regs != nullptr ? *regs : nmi_registers);
    }
    if (begin(me, step::jump)) P::jump(i);
  }

  [[gnu::always_inline]] void save_notes([[maybe_unused]] cpu_id me,
                                         [[maybe_unused]] const typename P::image& i) noexcept {
    if constexpr (detail::has_save_note<P>) {
      const cpu_id limit = detail::cpu_limit<P>();
      for (uint32_t line = 0; line < lines; line = behind(line, limit))
        if (cpu_note<registers> note; describe(line, me, note)) {
          note.panic_ticks = panic_ticks_;
          P::save_note(i, note);
        }
    }
  }

  void sum_up([[maybe_unused]] cpu_id me) noexcept {
    if constexpr (detail::has_summary<Policy, cpu_note<registers>>) {
      if (begin(me, step::summary)) sum_up_the_rest(me);
      if (summed_up_.load(order::relaxed) < lines && begin(me, step::summary_again)) sum_up_the_rest(me);
    }
  }

  // Counts a line before it is said: after a fault in it, the next line is said.
  void sum_up_the_rest(cpu_id me) noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (uint32_t line; (line = summed_up_.load(order::relaxed)) < lines;) {
      summed_up_.store(behind(line, limit), order::relaxed);
      if (cpu_note<registers> note; describe(line, me, note)) Policy::summary(note);
    }
  }

  // One for the owner, each other CPU, the CPU without a number, and each spare text of further ones.
  static constexpr uint32_t lines = P::max_cpus + 2 + messages_type::spares;

  // The line behind this one; CPUs from `limit` on have none.
  [[nodiscard]] static uint32_t behind(uint32_t line, cpu_id limit) noexcept {
    return line == limit && limit < P::max_cpus ? P::max_cpus + 1 : line + 1;
  }

  // False when there is nothing to say in this line.
  [[nodiscard, gnu::noinline]] bool describe(uint32_t line, cpu_id me, cpu_note<registers>& out) const noexcept {
    const cpu_id cpu = line == 0 ? me : line - 1;  // above max_cpus: of a spare text
    if (cpu == me && line != 0) return false;
    out.cpu = cpu < P::max_cpus ? cpu : no_cpu;
    out.crashing = line == 0;
    out.state = cpus.state_of(cpu, me);  // before the texts, which are complete if the CPU has acknowledged
    const bool stopped = out.state >= stop_state::running && out.state <= stop_state::forced;  // running: the owner
    out.registers = stopped ? cpus.registers_of(cpu, me) : nullptr;
    const bool said =
        cpu > P::max_cpus ? messages.describe_spare(cpu - P::max_cpus - 1, out) : messages.describe(cpu, stopped, out);
    if (out.state != stop_state::absent) return true;
    // A CPU that came online after the collection, or that has no number. With a message it may be running.
    out.state = stop_state::silent;
    return said;
  }

  void delay_restart() const noexcept {
    if (Policy::restart_delay_us == 0) return;
    detail::bounded_wait<P> wait{Policy::restart_delay_us};
    do {
      (void)gate.wait_while(gate.read(), wait.end());
    } while (!wait.is_over());
  }

  // relaxed: only the owner's, which sees its own stores.
  typename P::template atomic<uint32_t> summed_up_{};  // lines of the summary that are begun
  // For the notifiers. A member, because it has a byte for each CPU and the stack may be an exception's, of 4 KiB.
  typename stop_cpus<P>::report_type report_{};
  bool stamped_ = false;
  uint64_t panic_ticks_ = 0;  // when the first step began, for the crash kernel
  [[no_unique_address]] detail::step_hook<P, Policy> hooks_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
