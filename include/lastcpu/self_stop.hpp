// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a CPU does that lost the race, and the hook that a kernel may override for it.
//
// The hook, link time: define, in one translation unit and not inline,
//
//     extern "C" void panic_smp_self_stop() noexcept { ... }
//
// It runs when this CPU is to park for good: its registers are saved, the owner of the gate knows that it has stopped.
// A port may leave a loser asleep at the commit (posix; x86_64 with a wake vector). The owner wakes it before it shuts the
// machine down or flushes and restarts. What the owner does next may cut the hook off.
// Interrupts off, thread or NMI context. It should not return; when it does, the CPU parks as if there were no hook.
// Two definitions are a link error. A definition inside an archive is only found when something else pulls that member
// in: LASTCPU_REQUIRE_SELF_STOP_OVERRIDE() does, and makes a missing definition a link error. ELF only. An `inline`
// definition, a misspelt name or a missing `extern "C"` go unnoticed (-Wmissing-declarations of gcc and
// -Wmissing-prototypes of clang see the last two).
// Relocate first if you link with lld as -nostdlib -static-pie, or add -Wl,--apply-dynamic-relocs.
// The hook, compile time: a platform member `self_stop()` wins over the link-time hook. After Linux's weak
// panic_smp_self_stop() and nmi_panic_self_stop().

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/stop_cpus.hpp>

extern "C" void panic_smp_self_stop() noexcept;

namespace lastcpu {
namespace detail {

// A weak reference leaves no strong undefined symbol behind and is null where nobody defines the hook.
extern "C" {
[[maybe_unused]] static void lastcpu_self_stop_override() noexcept __attribute__((weakref("panic_smp_self_stop")));
}

}  // namespace detail

/// Parks this CPU for good: the platform's self_stop(), or the link-time hook, and behind either P::park().
/// Interrupts off; any context.
template <class P>
[[noreturn, gnu::cold]] void self_stop() noexcept {
  static_assert(platform_checked<P>);
  detail::trace<P>(trace_kind::parked, P::this_cpu(), 0);
  if constexpr (detail::has_self_stop<P>) {
    P::self_stop();
  } else {
    constexpr void (*hook)() noexcept = detail::lastcpu_self_stop_override;
    if (hook != nullptr) hook();
  }
  for (;;) P::park();
}

namespace detail {

// This CPU's number; no_cpu where it has none.
template <class P>
[[nodiscard]] cpu_id number_of_this_cpu() noexcept {
  const cpu_id me = P::this_cpu();
  return me < P::max_cpus ? me : no_cpu;
}

// The end of a loser: the hook, once, and behind it P::park().
template <class P>
[[noreturn, gnu::cold]] void park_as_loser(stop_cpus<P>& cpus, cpu_id me) noexcept {
  if (cpus.may_run_hook(me)) self_stop<P>();
  for (;;) P::park();
}

}  // namespace detail

/// Everything a loser does: registers saved (`regs`, or its own where null), made resettable, acknowledged, parked
/// resumably. It returns only as the new owner of a gate that was given back, and must then withdraw its
/// acknowledgement before anything else; it parks for good once one read shows that another CPU has committed.
/// Interrupts off, thread or NMI context (there it answers the stop request that can't reach it). `me` is this CPU's
/// number, or P::max_cpus for the one without a number that panics; with neither a CPU can't own the gate, and parks for
/// good at once.
template <class P>
void stop_as_loser(panic_cpu<P>& gate, stop_cpus<P>& cpus, const typename P::registers* regs,
                   cpu_id me = detail::number_of_this_cpu<P>()) noexcept {
  if (me > P::max_cpus) self_stop<P>();
  cpus.save_registers(me, regs);
  cpus.make_resettable_once(me);
  // An NMI panic that came between the answer and the wake for it.
  if (cpus.acknowledged(me)) cpus.wake_for(me);
  for (;;) {
    const gate_word seen = gate.read();
    // Behind the read: an NMI handler on this CPU may win the open gate, withdraw the answer and give the gate back. The
    // word has changed then, wait_while() returns, and the answer is given again.
    cpus.acknowledge(me, stop_state::parked);
    const gate_move next = decide(seen, me);  // no switch: on Cortex-M23 it may be a call
    if (next == gate_move::mine || (next == gate_move::take && gate.claim(hold::final, me).won())) return;
    if (next == gate_move::park) detail::park_as_loser(cpus, me);
    if (next == gate_move::want) (void)gate.want(seen);
    if (next == gate_move::wait) gate.wait_while(seen);
  }
}

/// The same for who has faulted there again and again, with nothing of the port's but this_cpu() and the words: nothing is
/// left that could fault. It reads the gate, for ever when another CPU has committed.
template <class P>
void watch_as_loser(panic_cpu<P>& gate, stop_cpus<P>& cpus, cpu_id me) noexcept {
  for (;;) {
    const gate_word seen = gate.read();
    if (seen.is_held_by(me)) return;
    cpus.acknowledge_quietly(me);
    if (seen.is_open() && gate.claim(hold::final, me).won()) return;
  }
}

/// Everything a stop handler does on a CPU that is asked to stop. Does not return. The hook runs on losers alone.
template <class P>
[[noreturn, gnu::cold]] void stop_as_asked(stop_cpus<P>& cpus, const typename P::registers& regs, stop_state how,
                                           cpu_id me = detail::number_of_this_cpu<P>()) noexcept {
  while (me > P::max_cpus) P::park();  // it has no record, and must not run on into the crash kernel
  if (cpus.acknowledged(me)) {  // it interrupted the loser's wait, or came between its answer and the wake for it
    cpus.wake_for(me);
    detail::park_as_loser(cpus, me);
  }
  cpus.save_registers(me, &regs);
  cpus.make_resettable_once(me);
  (void)cpus.may_run_hook(me);  // it is a loser's: a further NMI here, behind the answer, does not run it either
  detail::trace<P>(trace_kind::parked, me, 0);
  cpus.acknowledge(me, how);
  for (;;) P::park();
}

}  // namespace lastcpu

/// Makes a missing definition of panic_smp_self_stop() a link error, and pulls it out of an archive. Once, at
/// namespace scope.
#define LASTCPU_REQUIRE_SELF_STOP_OVERRIDE()                                                            \
  [[maybe_unused, gnu::__used__]] static void (*const lastcpu_required_self_stop_override)() noexcept = \
      &::panic_smp_self_stop

#include <lastcpu/detail/end.hpp>
