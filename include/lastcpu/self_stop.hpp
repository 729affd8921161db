// SPDX-License-Identifier: BSL-1.0
#pragma once
// How a CPU stops itself: a loser, which asked for the gate and may still get it, in wait_for_gate(); a CPU that is
// asked to stop, in stop_for_good(). Interrupts off, thread or NMI context.
//
// A loser that parks for good runs a hook, which a kernel defines in one translation unit, not inline:
//
//     extern "C" void panic_smp_self_stop() noexcept { ... }
//
// Its registers are saved then, and the owner of the gate knows that it has stopped. The hook should not return; when
// it does, the CPU parks as if there were none. A platform member `self_stop()` replaces the hook at compile time.
// After Linux's weak panic_smp_self_stop() and nmi_panic_self_stop().

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/stop_cpus.hpp>

/// The hook of a loser. A port may leave losers asleep at the commit (posix does, and x86_64 with a wake vector). A
/// loser left asleep runs the hook only when the owner wakes it, before `crash_shutdown()` or before it flushes and
/// restarts. The owner does not wait for the hook: it may end the machine before the hook is done, or before it runs.
/// - Two definitions are a link error.
/// - A definition inside an archive is found only when something else pulls that member in; see
///   LASTCPU_REQUIRE_SELF_STOP_OVERRIDE() below.
/// - An `inline` definition, a misspelt name or a missing `extern "C"` goes unnoticed. -Wmissing-declarations of gcc
///   and -Wmissing-prototypes of clang warn of the last two.
/// - ELF only. With lld and -nostdlib -static-pie, relocate before the first crash or link with
///   -Wl,--apply-dynamic-relocs.
extern "C" void panic_smp_self_stop() noexcept;

namespace lastcpu {
namespace detail {

// A weak reference leaves no strong undefined symbol behind and is null where nobody defines the hook.
extern "C" {
[[maybe_unused]] static void lastcpu_self_stop_override() noexcept __attribute__((weakref("panic_smp_self_stop")));
}

}  // namespace detail

/// Runs the hook (the platform's self_stop(), or the one of link time), then parks this CPU for good. Interrupts off;
/// any context.
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

/// The same for a CPU with a record, which runs the hook once: not again where the hook faults or an NMI interrupts it,
/// and not where stop_for_good() has ruled it out.
template <class P>
[[noreturn, gnu::cold]] void self_stop(stop_cpus<P>& cpus, cpu_id me) noexcept {
  if (cpus.may_run_hook(me)) self_stop<P>();
  for (;;) P::park();
}

namespace detail {

// This CPU's number; no_cpu where it has none.
template <class P>
[[nodiscard]] cpu_id number_of_this_cpu() noexcept {
  const cpu_id me = P::this_cpu();
  return me < P::max_cpus ? me : no_cpu;
}

}  // namespace detail

/// What a loser does: saves its registers (`regs`, or its own where null), becomes resettable, acknowledges its stop,
/// and waits for the gate. Returns as the new owner once the gate was given back; the caller then withdraws the
/// acknowledgement before anything else. Parks for good once one read shows that another CPU has committed.
/// - Interrupts off, thread or NMI context. In NMI context no stop NMI can reach the CPU; it answers from here instead.
/// - `me` is this CPU's number, or P::max_cpus for the CPU without a number that panics. Any other CPU can't own the
///   gate and parks for good at once.
/// - with_the_port::no is for a CPU that has faulted in here again and again. It only reads the gate and acknowledges, so
///   nothing is left that could fault. When another CPU has committed it reads the gate for ever.
template <class P>
void wait_for_gate(panic_cpu<P>& gate, stop_cpus<P>& cpus, const typename P::registers* regs,
                   cpu_id me = detail::number_of_this_cpu<P>(), with_the_port use = with_the_port::yes) noexcept {
  if (me > P::max_cpus) self_stop<P>();
  if (use == with_the_port::yes) {
    cpus.save_registers(me, regs);
    cpus.make_resettable_once(me);
    // An NMI panic may have interrupted this CPU's acknowledge() between the store and the wake.
    if (cpus.acknowledged(me)) cpus.wake_for(me);
  }
  for (;;) {
    const gate_word seen = gate.read();
    const gate_move next = decide(seen, me);  // no switch: on Cortex-M23 it may be a call
    if (next == gate_move::mine) return;
    // Behind the read: an NMI handler on this CPU may win the open gate, withdraw the acknowledgement and give the gate
    // back. The word has changed then, wait_while() returns, and the next round acknowledges again.
    cpus.acknowledge(me, stop_state::parked, use);
    if (next == gate_move::take && gate.claim(hold::final, me).won()) return;
    if (use == with_the_port::no) continue;
    if (next == gate_move::park) self_stop(cpus, me);
    if (next == gate_move::want) (void)gate.want(seen);
    if (next == gate_move::wait) gate.wait_while(seen);
  }
}

/// What a stop handler does on a CPU that is asked to stop: saves the registers, becomes resettable, acknowledges,
/// parks. Does not return. Where it has interrupted a loser that waits, it ends that wait instead, and runs the hook.
template <class P>
[[noreturn, gnu::cold]] void stop_for_good(stop_cpus<P>& cpus, const typename P::registers& regs, stop_state how,
                                           cpu_id me = detail::number_of_this_cpu<P>()) noexcept {
  while (me > P::max_cpus) P::park();  // it has no record, but must not run on into the crash kernel
  if (cpus.acknowledged(me)) {  // it has stopped already: interrupted in a wait, or in acknowledge() before the wake
    cpus.wake_for(me);
    self_stop(cpus, me);
  }
  cpus.save_registers(me, &regs);
  cpus.make_resettable_once(me);
  (void)cpus.may_run_hook(me);  // a bystander runs no hook, nor does an NMI that comes behind its acknowledgement
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
