// SPDX-License-Identifier: BSL-1.0
#pragma once
// Signals as interrupts: one stands for the stop interrupt, one for the NMI, the synchronous ones for faults. The NMI
// signal is masked only inside its own handler, so that it latches exactly once, like a real NMI.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/cpu_table.hpp>
#include <lastcpu/platform/posix/faults.hpp>
#include <lastcpu/platform/posix/registers.hpp>
#include <lastcpu/platform/posix/tsan.hpp>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace lastcpu {

/// What a synchronous fault (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT) leads to.
enum class fault_response : uint8_t {
  oops,   ///< crash_kexec(), and a panic when that returns
  panic,  ///< a panic at once
  none,   ///< no handler is installed for faults
};

/// What posix_install() is asked for.
struct posix_options {
  int irq_signal = SIGUSR1;                        ///< stands for the stop interrupt
  int nmi_signal = SIGUSR2;                        ///< stands for the NMI; no real-time signal, for an NMI latches once
  fault_response on_fault = fault_response::oops;  ///< what a fault leads to
  ///@{
  /// Called for one of the two signals when no CPU has asked for a stop, in its handler; null: such a signal is
  /// ignored.
  void (*on_other_nmi)(const posix_registers&) noexcept = nullptr;
  void (*on_other_irq)(const posix_registers&) noexcept = nullptr;
  ///@}
};

namespace posix_detail {

/// What the handlers call. Written by posix_install(), in quiet times, before there are handlers.
struct vectors {
  void* domain = nullptr;
  pid_t pid = 0;  // whose machine it is
  /// Returns when nobody asks for a stop.
  void (*stop)(void* domain, const posix_registers&, bool nmi) noexcept = nullptr;
  void (*fault)(void* domain, const char* message, const posix_registers&, fault_response) noexcept = nullptr;
  void (*forked)(void* domain) noexcept = nullptr;
  posix_options options{0, 0, fault_response::none, nullptr, nullptr};
};
inline constinit vectors machine{};

/// The mask for "interrupts off": all signals but the NMI's and the faults.
[[nodiscard]] inline uint64_t irq_mask() noexcept {
  uint64_t mask = ~fault_mask();
  if (machine.options.nmi_signal != 0) mask &= ~signal_bit(machine.options.nmi_signal);
  return mask;
}

/// Unmasks the faults: a fault that is masked kills the process, dump or not.
inline void let_faults_in() noexcept {
  const uint64_t faults = fault_mask();
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &faults, nullptr, sizeof faults);
}

/// The same for a stop handler, without a system call where the interrupted code had no fault masked: the handler has
/// its mask then. Except
/// - in sigsuspend(), ppoll() and the like: what they mask while they run is masked in the handler, too, but not in the
///   mask that the interrupted code goes back to;
/// - under ThreadSanitizer, which runs handlers with every signal masked.
inline void let_faults_in_for_stop([[maybe_unused]] const void* interrupted) noexcept {
#if !defined(LASTCPU_POSIX_UNDER_TSAN)
  uint64_t masked = 0;
  memcpy(&masked, &static_cast<const ucontext_t*>(interrupted)->uc_sigmask, sizeof masked);
  if ((masked & fault_mask()) == 0) return;
#endif
  let_faults_in();
}

/// Unmasks the stop signals and the faults, for a thread that becomes a CPU.
inline void let_stops_in() noexcept {
  const posix_options& o = machine.options;
  uint64_t stops = 0;
  if (o.irq_signal != 0) stops |= signal_bit(o.irq_signal);
  if (o.nmi_signal != 0) stops |= signal_bit(o.nmi_signal);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &stops, nullptr, sizeof stops);
  let_faults_in();
}

/// For a thread that has just become a CPU, which may have been too late to be asked to stop. Does not return when
/// another CPU has committed.
inline void stop_if_late() noexcept {
  if (machine.stop == nullptr) return;
  posix_registers here;
  capture_caller_registers(here);
  const uint64_t off = irq_mask();
  uint64_t before = 0;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &off, &before, sizeof off);
  machine.stop(machine.domain, here, false);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
}

extern "C" inline void lastcpu_on_stop_signal(int number, siginfo_t*, void* context) noexcept {
  const int saved_errno = errno;
  let_faults_in_for_stop(context);
  const bool nmi = number == machine.options.nmi_signal;
  const posix_registers regs = registers_from(context);
  machine.stop(machine.domain, regs, nmi);
  const auto other = nmi ? machine.options.on_other_nmi : machine.options.on_other_irq;
  if (other != nullptr) {
    let_faults_in();  // it may panic; a fault in a step of the panic then goes on at the next step
    other(regs);
  }
  errno = saved_errno;
}

/// Dies of the fault as without a handler: on the return from it the instruction faults again, or the signal comes again.
inline void die_by_default(int number, const siginfo_t& info) noexcept {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  sigaction(number, &by_default, nullptr);
  if (info.si_code <= 0 || number == SIGTRAP || number == SIGSYS)
    syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, &info);
}

/// It need not unmask further faults: crash_kexec() and panic() begin with irq_save(), which does.
extern "C" inline void lastcpu_on_fault(int number, siginfo_t* info, void* context) noexcept {
  if (machine.pid != getpid()) return die_by_default(number, *info);
  if (this_thread_cpu >= max_cpus) (void)take_any_cpu();
  if (this_thread_cpu < max_cpus && cpu_table[this_thread_cpu].fault.si_signo == 0)
    cpu_table[this_thread_cpu].fault = *info;
  char message[48];
  describe_fault(message, *info);
  machine.fault(machine.domain, message, registers_from(context), machine.options.on_fault);
}

/// Installs the handlers. Null on success, else the reason.
[[nodiscard]] inline const char* set_handlers(const posix_options& o) noexcept {
  struct sigaction stop {};
  stop.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  // Both handlers run with interrupts off, so that no handler of the program runs on a CPU that has acknowledged its
  // stop. Each signal is masked in its own handler anyway.
  sigfillset(&stop.sa_mask);
  sigdelset(&stop.sa_mask, o.nmi_signal);
  for (const int s : fault_signals) sigdelset(&stop.sa_mask, s);
  if (!handle_signal<lastcpu_on_stop_signal>(o.irq_signal, stop)) return "the irq signal can't be handled";
  if (!handle_signal<lastcpu_on_stop_signal>(o.nmi_signal, stop)) return "the NMI signal can't be handled";
  if (o.on_fault == fault_response::none) return nullptr;
  struct sigaction fault {};
  fault.sa_sigaction = lastcpu_on_fault;
  fault.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // a fault inside the report comes here again
  sigfillset(&fault.sa_mask);
  sigdelset(&fault.sa_mask, o.nmi_signal);
  for (const int s : fault_signals) sigdelset(&fault.sa_mask, s);
  for (const int s : fault_signals)
    if (sigaction(s, &fault, nullptr) != 0) return "a fault signal can't be handled";
  return nullptr;
}

}  // namespace posix_detail
}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
