// SPDX-License-Identifier: BSL-1.0
#pragma once
// A signal and its si_code in words. Any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/faults.hpp>
#include <lastcpu/process/reporter/text.hpp>

#include <signal.h>

namespace lastcpu::reporter_detail {

struct code_words {
  int signal;  // 0: any
  int code;
  const char* name;
  const char* words;
};

inline constexpr code_words code_table[] = {
    {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR", "nothing is mapped there"},
    {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR", "the mapping does not allow it"},
    {SIGSEGV, 3, "SEGV_BNDERR", "bounds check failed"},
    {SIGSEGV, 4, "SEGV_PKUERR", "a protection key forbids it"},
    {SIGSEGV, 8, "SEGV_MTEAERR", "memory tag mismatch, found late"},
    {SIGSEGV, 9, "SEGV_MTESERR", "memory tag mismatch"},
    {SIGSEGV, 10, "SEGV_CPERR", "control protection: a return address was changed"},
    {SIGBUS, BUS_ADRALN, "BUS_ADRALN", "misaligned address"},
    {SIGBUS, BUS_ADRERR, "BUS_ADRERR", "no memory behind the mapping; a file that was cut, for example"},
    {SIGBUS, BUS_OBJERR, "BUS_OBJERR", "the hardware reports an error"},
    {SIGBUS, 4, "BUS_MCEERR_AR", "broken memory was read"},
    {SIGBUS, 5, "BUS_MCEERR_AO", "broken memory was found"},
    {SIGILL, ILL_ILLOPC, "ILL_ILLOPC", "illegal opcode"},
    {SIGILL, ILL_ILLOPN, "ILL_ILLOPN", "illegal operand; the compiler's trap for what can't happen, for example"},
    {SIGILL, ILL_PRVOPC, "ILL_PRVOPC", "privileged opcode"},
    {SIGFPE, FPE_INTDIV, "FPE_INTDIV", "integer divided by zero"},
    {SIGFPE, FPE_INTOVF, "FPE_INTOVF", "integer overflow"},
    {SIGFPE, FPE_FLTDIV, "FPE_FLTDIV", "floating-point number divided by zero"},
    {SIGFPE, FPE_FLTOVF, "FPE_FLTOVF", "floating-point overflow"},
    {SIGFPE, FPE_FLTINV, "FPE_FLTINV", "invalid floating-point operation"},
    {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT", "breakpoint"},
    {SIGTRAP, TRAP_TRACE, "TRAP_TRACE", "single step"},
    {SIGTRAP, 4, "TRAP_HWBKPT", "hardware breakpoint"},
    {SIGSYS, 1, "SYS_SECCOMP", "a seccomp filter refuses the system call"},
    {0, SI_USER, "SI_USER", "sent by kill()"},
    {0, SI_TKILL, "SI_TKILL", "sent by tgkill(), as abort() and raise() do"},
    {0, SI_QUEUE, "SI_QUEUE", "sent by sigqueue()"},
    {0, SI_TIMER, "SI_TIMER", "a timer has expired"},
    {SIGSEGV, SI_KERNEL, "SI_KERNEL", "a protection fault; the kernel names no address: one that is not canonical"},
    {SIGTRAP, SI_KERNEL, "SI_KERNEL", "breakpoint"},
    {0, SI_KERNEL, "SI_KERNEL", "by the kernel"},
};

[[nodiscard]] inline const code_words* words_of(int signal, int code) noexcept {
  for (const code_words& w : code_table)
    if (w.code == code && (w.signal == signal || w.signal == 0)) return &w;
  return nullptr;
}

[[nodiscard]] constexpr const char* signal_words(int signal) noexcept {
  switch (signal) {
    case SIGSEGV:
      return "invalid memory access";
    case SIGBUS:
      return "bus error";
    case SIGILL:
      return "illegal instruction";
    case SIGFPE:
      return "arithmetic error";
    case SIGTRAP:
      return "trap";
    case SIGSYS:
      return "system call refused";
    case SIGABRT:
      return "abort";
    default:
      return "crash";
  }
}

/// Came from an instruction of the thread itself, not from a process that sent it.
[[nodiscard]] inline bool is_of_the_machine(const siginfo_t& info) noexcept {
  return info.si_code > 0 && info.si_signo != SIGABRT && info.si_signo != SIGSYS;
}

/// "SIGSEGV (invalid memory access) at 0x10: nothing is mapped there (SEGV_MAPERR)"
inline void describe_signal(text& out, const siginfo_t& info) noexcept {
  out << posix_detail::fault_name(info.si_signo) << " (" << signal_words(info.si_signo) << ")";
  if (is_of_the_machine(info) && info.si_code != SI_KERNEL)
    (out << " at ").hex(reinterpret_cast<uintptr_t>(info.si_addr));
  out << ": ";
  if (const code_words* w = words_of(info.si_signo, info.si_code); w != nullptr)
    out << w->words << " (" << w->name << ")";
  else
    out << "si_code " << info.si_code;
  if (info.si_code == SI_USER || info.si_code == SI_TKILL || info.si_code == SI_QUEUE)
    out << ", by process " << static_cast<int>(info.si_pid) << " of user " << static_cast<uint32_t>(info.si_uid);
  if (info.si_signo == SIGSYS && info.si_code == 1)
    (out << ", number " << info.si_syscall << " at ").hex(reinterpret_cast<uintptr_t>(info.si_call_addr));
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
