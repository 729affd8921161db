// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a port must supply, as one page. A platform is a stateless type with static members, passed to every
// primitive as the template argument `P`. `lastcpu::archetype` (archetype.hpp) is the smallest one that compiles;
// copy it and fill it in. A member that is missing or wrong is a compile error with a sentence.
//
// Every member must be callable in NMI context, must not allocate, lock or throw, and must be noexcept.
//
//   constant max_cpus             CPU numbers are 0 .. max_cpus-1
//   this_cpu()                    the number of the CPU that asks; stable while interrupts are off. max_cpus or more:
//                                 "I do not know this CPU"
//   is_online(cpu)                may answer with what was true a moment ago; called with cpu < max_cpus only
//   atomic<T>                     the shared words, T = uint32_t and uintptr_t; `lastcpu::atomic` will do
//   registers                     what is saved of a CPU: trivially copyable
//   capture_registers(r)          those of the caller, where none were handed over
//   irq_save() -> irq_state       interrupts off; hands out what irq_restore(state) wants back
//   send_stop(cpus, how)          asks these CPUs to enter handle_stop_irq() (stop_how::irq) or handle_nmi()
//                                 (stop_how::nmi); returns at once; all that was stored before it is visible to the
//                                 handler that it causes (an x2APIC write needs a fence for that)
//   wait_while(word, value, at)   sleeps while `word` holds `value`, as cheaply as the machine can; arms first, then
//                                 compares; may return early for no reason; an NMI taken inside makes it compare
//                                 again. False once now() >= at (`no_deadline`: never), true otherwise. Where now() may
//                                 stand still it must come back now and then: lastcpu counts the rounds
//   wake(word, why)               ends wait_while() on this word, on every CPU; empty where waiting is polling. At
//                                 wake_reason::committed it may let losers sleep on until wake_reason::ending; on a
//                                 machine that ends before that their hook does not run
//   now(), ticks_per_second()     monotonic. A clock that stands still while interrupts are off costs time, no more
//   make_resettable()             on a CPU that stops, after its registers are saved and before it says so: virtual-
//                                 machine modes off, and the like. A stop NMI that interrupts it does it once more.
//                                 The CPU may still win the gate later: do not take away what send_stop() needs
//   park()                        end of the line for a stopped CPU; does not return
//   image                         what describes a crash image: trivially copyable
//   image_intact(image)           asked when the image is loaded and again when it is about to be started
//   crash_shutdown(registers)     the winner's machine is made quiet, before the jump
//   jump(image)                   starts the crash kernel; a return means that it could not
//   emergency_restart(), halt()   last resorts; a return means "could not", and the next one is tried
//
// Optional, found by name:
//   cpu_limit()                   no CPU from this number on has ever been online (default max_cpus). Asked behind the commit:
//                                 a CPU that comes online is below the answer, or sees the commit when it looks at the
//                                 gate. Where stores may pass later loads that takes a fence on both sides, or, as on
//                                 posix, an exchange on one word
//   adopt_this_cpu()              a number for a CPU that panics before this_cpu() knows it, which answers it from then on;
//                                 max_cpus if none is left
//   hardware_id()                 tells CPUs apart that have no number yet: the APIC id by cpuid, MPIDR. Without it lastcpu
//                                 can't tell two such CPUs apart: when both panic, both run the ladder's steps, and one
//                                 may restart while the other dumps; and where one owns the gate, another one without a
//                                 number is not stopped
//   rounds_of_a_still_clock       how many waits in a row may end at the same now() (default 4,194,304)
//   self_stop()                   compile-time override of the hook panic_smp_self_stop(); see self_stop.hpp
//   save_note(image, cpu_note)    takes what is known of one CPU to where the crash kernel finds it; crashing CPU first
//   trace(trace_event)            sees the timeline. Its `cpu` is max_cpus for the CPU without a number that panics

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/platform_check.hpp>

namespace lastcpu {

/// True when `P` has every member with the right shape.
template <class P>
concept platform = detail::has_all_members<P>;

/// The same, but what is wrong is a compile error with one sentence for each member. Every primitive asks it; a port
/// may ask it right behind its own definition: `static_assert(lastcpu::platform_checked<my_port>);`
template <class P>
inline constexpr bool platform_checked = detail::platform_sentences<P>::said;

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
