// SPDX-License-Identifier: BSL-1.0
#pragma once
// How a CPU that lost the race sleeps where mwait is not to be had, in a virtual machine above all: hlt, and an interrupt
// that wakes it. A loser that polls there takes the time of the CPU that dumps.
//
// Opt-in: the kernel names a `wake_vector` of the highest class (0xf0-0xfe), whose handler is handle_wake(), and says by
// `may_take_interrupts()` where an interrupt may come: not in the handler of an NMI or a machine check, for its IRET would
// open their stack to the next one. The task priority keeps everything below that class out, so whatever else the kernel
// has there runs on a loser, too: keep it to the stop request and the like. An interrupt of a legacy PIC asks for no
// priority: a kernel that uses one does not doze.
// The commit wakes nobody: a loser that parks for good costs time just when the others are to be stopped. It has
// acknowledged, and sleeps on until the owner ends the machine: then it runs its self-stop hook and parks.
// Not here: a CPU that waits with a deadline, which polls.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>
#include <lastcpu/platform/x86_64/lapic.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

namespace detail {

/// Who sleeps, and on what: one word at a time for each kernel.
template <class Kernel>
struct dozers {
  static inline constinit atomic<uint32_t> count{};
  static inline constinit atomic<uintptr_t> word{};
};

}  // namespace detail

/// True when this CPU may doze() here. Interrupts off.
template <class Kernel, class Bus = lapic_bus<Kernel>>
[[nodiscard]] inline bool may_doze() noexcept {
  const cpu_id me = Kernel::this_cpu();  // one that wake_dozers() finds
  return me < lastcpu::detail::cpu_limit<Kernel>() && Kernel::is_online(me) && Kernel::may_take_interrupts() &&
         lapic<Bus>::highest_class_is_free();
}

/// Sleeps while `word` holds `value`; may return early. Interrupts are off before and after; in between those of the
/// highest class are let in. False, and at once, when the CPUs of this kernel sleep on another word, or when this one
/// keeps the highest class out itself.
template <class Kernel, class Hw = hardware, class Word, class T>
[[nodiscard]] inline bool doze(const Word& word, T value) noexcept {
  using dozers = detail::dozers<Kernel>;
  constexpr uint64_t below_the_highest_class = 14;
  const uint64_t before = Hw::read_cr8();
  if (before > below_the_highest_class) return false;
  const auto here = reinterpret_cast<uintptr_t>(word.address());
  uintptr_t there = 0;
  // (1) acq_rel: pairs with acquire (2).
  if (!dozers::word.compare_exchange(there, here, order::acq_rel, order::acquire) && there != here) return false;
  // Counted, then compared; wake_dozers() comes after its change, then looks at the count. acq_rel is enough on this
  // machine: a locked instruction on either side keeps the store before the load.
  // (3) acq_rel: pairs with acquire (4).
  (void)dozers::count.fetch_add(1, order::acq_rel);
  Hw::write_cr8(below_the_highest_class);
  // (5) acquire: pairs with the caller's release.
  if (word.load(order::acquire) == value) Hw::sti_halt();
  Hw::cli();
  Hw::write_cr8(before);
  // (3)
  (void)dozers::count.fetch_add(~uint32_t{0}, order::acq_rel);  // one less
  return true;
}

/// The whole handler of `wake_vector`. Where an NMI came between sti and hlt, the wake-up is served before the hlt, which
/// would then sleep on: it is stepped over. (A hlt that was really entered is behind the frame's rip already.)
template <class Kernel, class Bus = lapic_bus<Kernel>>
inline void handle_wake(registers& regs) noexcept {
  constexpr unsigned char hlt = 0xf4;
  lapic<Bus>::eoi();
  if ((regs.cs & 3) == 0 && *reinterpret_cast<const volatile unsigned char*>(regs.rip) == hlt) ++regs.rip;
}

/// Ends every doze(). Any context.
template <class Kernel, class Bus = lapic_bus<Kernel>>
inline void wake_dozers() noexcept {
  if (detail::dozers<Kernel>::count.load(order::acquire) == 0) return;  // (4) acquire: pairs with acq_rel (3)
  const ipi_message message = ipi_message::fixed(Kernel::wake_vector);
  if constexpr (detail::has_owns_every_cpu<Kernel>) {
    if (Kernel::owns_every_cpu()) {
      (void)lapic<Bus>::send_others(message);
      return;
    }
  }
  const cpu_id me = Kernel::this_cpu();
  for (cpu_id cpu = 0; cpu < lastcpu::detail::cpu_limit<Kernel>(); ++cpu)
    if (cpu != me && Kernel::is_online(cpu)) (void)lapic<Bus>::send(Kernel::apic_id(cpu), message);
}

/// Ends doze() on this word, but not at the commit. After the exchange that changed the word; any context.
template <class Kernel, class Bus = lapic_bus<Kernel>, class Word>
inline void wake_dozers_on(const Word& word, wake_reason why) noexcept {
  if (why == wake_reason::committed) return;
  const auto here = reinterpret_cast<uintptr_t>(word.address());
  // (2) acquire: pairs with acq_rel (1).
  if (detail::dozers<Kernel>::word.load(order::acquire) == here) wake_dozers<Kernel, Bus>();
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
