// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a port must supply, as one page. A platform is a stateless type with static members, passed to every
// primitive as the template argument `P`. Derive from `lastcpu::platform_defaults` (platform_defaults.hpp) and
// write what has no default: max_cpus, this_cpu(), is_online(), send_stop(), park(). `lastcpu::archetype` (archetype.hpp) has
// every member, to copy. A member that is missing or wrong is a compile error with a sentence.
//
// Every member must be callable in NMI context, must not allocate, lock or throw, and must be noexcept.
//
//   constant max_cpus             CPU numbers are 0 .. max_cpus-1
//   this_cpu()                    the number of the calling CPU; stable while interrupts are off. max_cpus or more: it
//                                 has none
//   is_online(cpu)                the answer may be out of date; called with cpu < max_cpus only. Yes only once that
//                                 CPU's this_cpu() answers: asked without a number, it parks and acknowledges nothing
//   atomic<T>                     the shared words, T = uint32_t and uintptr_t; `lastcpu::atomic` will do
//   registers                     what is saved for a CPU: trivially copyable
//   capture_registers(r)          stores those of the caller, for a crash that hands over none
//   irq_save() -> irq_state       turns interrupts off; irq_restore(state) brings the earlier state back
//   send_stop(cpus, how)          asks these CPUs to enter handle_stop_irq() (stop_how::irq) or handle_nmi()
//                                 (stop_how::nmi). Returns at once. All that was stored before the call is visible to
//                                 the handler that it causes (an x2APIC write needs a fence for that)
//   wait_while(word, value, at)   sleeps while `word` holds `value`, as cheaply as the machine can. Arms the wake-up
//                                 first, then compares; compares again after an NMI; may return early for no reason.
//                                 False once now() >= at (`no_deadline`: never), true otherwise. Where now() may stand
//                                 still it returns now and then: lastcpu counts the returns
//   wake(word, why)               ends wait_while() on this word, on every CPU; empty where waiting is polling. At
//                                 wake_reason::committed it may leave losers asleep until wake_reason::ending; if the
//                                 machine ends before that, their hook does not run
//   now(), ticks_per_second()     monotonic. A clock that stands still while interrupts are off only costs time.
//                                 0 ticks per second: there is no clock, and lastcpu counts the returns
//   make_resettable()             turns off what keeps a reset or a jump from working, virtual-machine modes above all.
//                                 Called on a CPU that stops, after its registers are saved and before it acknowledges;
//                                 once more when a stop NMI or a fault interrupts it. Must leave alone what send_stop()
//                                 needs: the CPU may still win the gate
//   park()                        the end of a stopped CPU; does not return
//   image                         describes a crash image: trivially copyable
//   image_intact(image)           whether it is what was loaded; asked when it is loaded and before it is started
//   crash_shutdown(registers)     makes the machine quiet, on the owner, before the jump
//   jump(image)                   starts the crash kernel; returns when it can't
//   emergency_restart(), halt()   the last resorts; each returns when it can't
//
// Optional, found by name:
//
//   cpu_limit()                   no CPU from this number on has ever been online (default max_cpus). Asked after the
//                                 commit. A CPU that comes online must be below the answer or see the commit when it
//                                 looks at the gate. Where a store may pass a later load, this takes a fence on both
//                                 sides or, as on posix, an exchange on one word on both
//   adopt_this_cpu()              gives a CPU that panics without a number one, which this_cpu() answers from then on;
//                                 max_cpus if none is left
//   hardware_id()                 tells CPUs without a number apart: the APIC id by cpuid, MPIDR. Without it, when two
//                                 such CPUs panic, both run the ladder's steps, and one may restart while the other
//                                 dumps; and while one of them owns the gate, another one is not stopped
//   has_nmi                       false: this machine has no NMI, and a policy's rungs by NMI are left out (default true)
//   force_stop(cpu)               for the rung stop_how::forced, which is left out without it: takes a CPU away that does
//                                 not answer, by a stall, a reset or a power switch. True once that CPU executes nothing
//                                 any more, for good, and all that it has stored is visible to the caller. Called on the
//                                 owner; where it is false, once more when the rung's budget is over. It never waits. It
//                                 frees what that CPU held and others need: a hardware spinlock that atomic<T> takes
//   cache_line                    bytes between words that two CPUs write to (default 64; 1 where there is no cache)
//   rounds_of_a_still_clock       how many waits in a row may end at the same now() (default 4,194,304)
//   self_stop()                   replaces the hook panic_smp_self_stop() at compile time; see self_stop.hpp
//   save_note(image, cpu_note)    puts what is known about one CPU where the crash kernel finds it; called for the
//                                 crashing CPU first. With it the owner looks at now() when it begins: panic_ticks
//   trace(trace_event)            is told what happens. `cpu` is max_cpus for the CPU without a number that panics

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/platform_check.hpp>

namespace lastcpu {

/// True when `P` has every member with the right shape.
template <class P>
concept platform = detail::has_all_members<P>;

/// The same, but each wrong member is a compile error with a sentence. Every primitive asserts it; a port may do so
/// right after its definition: `static_assert(lastcpu::platform_checked<my_port>);`
template <class P>
inline constexpr bool platform_checked = detail::platform_sentences<P>::said;

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
