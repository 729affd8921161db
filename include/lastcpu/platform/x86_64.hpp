// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bare x86-64 machine as a platform: everything but what only the kernel knows.
//
//     struct my_port : lastcpu::x86_64<my_port>, lastcpu::x86::numbered_cpus<my_port, 64> {
//       static constexpr uint8_t stop_vector = 0xf0;                        // its handler: handle_stop_irq()
//       static volatile void* lapic_page() noexcept;                        // mapped uncached; used in xAPIC mode
//       static uint64_t ticks_per_second() noexcept;                        // of the TSC: constant, the same everywhere
//     };
//     static_assert(lastcpu::platform_checked<my_port>);
//
// A kernel that has a table of its CPUs writes in place of numbered_cpus: max_cpus, this_cpu() (right in an NMI, with any
// GS), is_online(cpu), apic_id(cpu).
// ticks_per_second() before it is known: a guess that is rather too high. With 0 a wait ends after so many rounds
// (rounds_of_a_still_clock), whatever its budget.
//
// Optional: static bool owns_every_cpu() noexcept (true while no CPU of this machine is anybody else's, is being started,
// or is parked in code that an NMI must not disturb: the first request may be one broadcast), volatile void* io_apic(uint32_t i) (null ends),
// bool in_vmx_operation() (resettable.hpp), bool can_monitor() (wait.hpp), wake_vector and bool may_take_interrupts()
// (doze.hpp: losers sleep also where mwait is not to be had), next_stack() (handlers.hpp: for the handlers of NMIs and
// machine checks), and the optional members of platform.hpp.
// A member of the kernel's own with the name of one below takes its place. General registers only.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/platform/x86_64/apic_id.hpp>
#include <lastcpu/platform/x86_64/control.hpp>
#include <lastcpu/platform/x86_64/doze.hpp>
#include <lastcpu/platform/x86_64/frame.hpp>
#include <lastcpu/platform/x86_64/handlers.hpp>
#include <lastcpu/platform/x86_64/jump.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>
#include <lastcpu/platform/x86_64/lapic.hpp>
#include <lastcpu/platform/x86_64/machine_check.hpp>
#include <lastcpu/platform/x86_64/numbered_cpus.hpp>
#include <lastcpu/platform/x86_64/quiet.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>
#include <lastcpu/platform/x86_64/resettable.hpp>
#include <lastcpu/platform/x86_64/restart.hpp>
#include <lastcpu/platform/x86_64/save_note.hpp>
#include <lastcpu/platform/x86_64/send_stop.hpp>
#include <lastcpu/platform/x86_64/wait.hpp>

namespace lastcpu {

/// The port of the bare machine, for a kernel's port `Kernel` that derives from it. What is not said here, platform.hpp
/// has. `Digest` is the one that the crash kernel was loaded with (crash_loader.hpp).
template <class Kernel, class Digest = kexec::xxh64>
struct x86_64 {
  /// The local APIC of the CPU that asks, through Kernel::lapic_page() or x2APIC registers.
  using local_apic = x86::lapic<x86::lapic_bus<Kernel>>;

  /// The compiler's own words.
  template <class T>
  using atomic = lastcpu::atomic<T>;

  /// The APIC id, also of a CPU that has been given no number yet.
  [[nodiscard]] static uint32_t hardware_id() noexcept { return x86::initial_apic_id(); }

  ///@{
  /// The general registers, as the entry stubs push them; the caller's where a panic brings none.
  using registers = x86::registers;
  [[gnu::always_inline]] static void capture_registers(registers& r) noexcept { x86::capture(r); }
  ///@}

  ///@{
  /// RFLAGS; cli, and sti where interrupts were on. NMIs still come.
  using irq_state = uint64_t;
  [[nodiscard]] static irq_state irq_save() noexcept {
    const irq_state before = x86::read_flags();
    x86::cli();
    return before;
  }
  static void irq_restore(irq_state before) noexcept {
    if ((before & x86::flag_interrupts) != 0) x86::sti();
  }
  ///@}

  /// By the local APIC; see send_stop.hpp.
  template <cpu_id N>
  static void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
    static_assert(x86::detail::kernel_sentences<Kernel>::said);
    x86::send_stop<Kernel>(cpus, how);
  }

  /// Polls with a deadline; without one it sleeps by monitor and mwait, or by hlt (doze.hpp), where it can.
  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    // A word of 32 bits is an acknowledgement: wake() wakes nobody there, and the owner, who waits with a bound, polls.
    if constexpr (sizeof(T) < sizeof(uintptr_t)) return x86::poll(at);
    if constexpr (x86::detail::has_wake_vector<Kernel>) {
      if (at == no_deadline && (!may_sleep() || x86::in_virtual_machine()) && x86::may_doze<Kernel>() &&
          x86::doze<Kernel>(word, value))
        return true;
    }
    return x86::wait_while(word, value, at, at == no_deadline && may_sleep());
  }
  /// Who polls or monitors the line sees the store itself.
  template <class T>
  static void wake([[maybe_unused]] const atomic<T>& word, [[maybe_unused]] wake_reason why) noexcept {
    if constexpr (x86::detail::has_wake_vector<Kernel> && sizeof(T) == sizeof(uintptr_t))
      x86::wake_dozers_on<Kernel>(word, why);
  }

  /// The TSC, in Kernel::ticks_per_second(). Not ordered against loads and stores around it.
  [[nodiscard]] static uint64_t now() noexcept { return x86::rdtsc(); }

  /// Keeps the control words for the handover, leaves VMX operation and SVM, and the handling of a machine check. The local APIC stays as it is: this CPU may win
  /// the gate yet, and its own sources are park()'s business.
  [[gnu::always_inline]] static void make_resettable() noexcept {
    const cpu_id me = Kernel::this_cpu();
    if (me < Kernel::max_cpus) x86::capture_control(x86::kept_control<Kernel>::of_cpu[me]);
    x86::forget_machine_check();
    x86::leave_virtualisation<Kernel>();  // last: VMXOFF may fault
  }

  /// Local sources masked, interrupts off, hlt. What ends a hlt all the same (an NMI whose handler returns, an SMI, a
  /// machine check) leads back to it. The task priority says that the sources have been masked, or that a fault came of
  /// it: it is not tried again.
  [[noreturn]] static void park() noexcept {
    constexpr uint64_t keep_everything_out = 15;
    x86::cli();
    if (x86::read_cr8() != keep_everything_out) {
      x86::write_cr8(keep_everything_out);
      local_apic::mask_local_sources();
    }
    for (;;) x86::halt();
  }

  ///@{
  /// The record of load_crash_kernel(); asked by seal and digest, which reads all of the image.
  using image = kexec::crash_image_record;
  [[nodiscard]] static bool image_intact(const image& i) noexcept { return kexec::image_intact<Digest>(i); }
  ///@}
  /// Into the handover of the image.
  static void save_note(const image& i, const cpu_note<registers>& note) noexcept { x86::save_note<Kernel>(i, note); }

  /// Task priority 0, legacy PICs masked, a machine check ended, local sources and IO-APICs masked, VMX and SVM left. A
  /// fault skips what comes behind it, so the likelier one faults, the later it comes: registers of devices may be
  /// unmapped, VMXOFF may be invalid.
  /// Devices are as they were, and what they signal by messages still comes.
  [[gnu::always_inline]] static void crash_shutdown(const registers&) noexcept {
    x86::write_cr8(0);
    x86::mask_legacy_pics();
    x86::forget_machine_check();
    local_apic::mask_local_sources();
    x86::mask_io_apics<Kernel>();
    x86::leave_virtualisation<Kernel>();
  }
  /// To the crash kernel; see jump.hpp for what that finds.
  static void jump(const image& i) noexcept { x86::jump_to(i); }

  /// By port 0xcf9, keyboard controller, triple fault; see restart.hpp.
  [[gnu::always_inline]] static void emergency_restart() noexcept { x86::restart<Kernel>(Kernel::ticks_per_second()); }
  /// The same as park().
  [[noreturn, gnu::always_inline]] static void halt() noexcept { park(); }

  /// The handler of `wake_vector`; see doze.hpp.
  static void handle_wake(registers& regs) noexcept { x86::handle_wake<Kernel>(regs); }

  /// What the handlers of the stop interrupt, the NMI and the machine check are made of; see handlers.hpp.
  using handlers = x86::handlers<Kernel>;

 private:
  [[nodiscard]] static bool may_sleep() noexcept {
    if constexpr (x86::detail::has_can_monitor<Kernel>)
      return Kernel::can_monitor();
    else
      return x86::has_monitor();
  }
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
