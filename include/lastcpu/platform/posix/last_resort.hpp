// SPDX-License-Identifier: BSL-1.0
#pragma once
// How a process ends that has no capture program, or whose capture program could not be started.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/cpu_table.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// For process 1, which dies of no signal that it sends itself, but of its own fault: faults at the same address once more.
/// Returns where that is no fault any more.
inline void fault_again(const siginfo_t& info) noexcept {
  if (info.si_signo != SIGSEGV || info.si_code <= 0) return;
  auto* at = static_cast<volatile char*>(info.si_addr);
  const char there = *at;
  *at = there;
}

/// Dies of the first fault of this CPU, so that the parent sees the same signal and core as without lastcpu; of SIGABRT
/// when there was no fault. Returns in process 1, unless that was a SIGSEGV of the machine.
inline void die_of_first_fault() noexcept {
  const cpu_id me = this_thread_cpu;
  siginfo_t* info = me < max_cpus && cpu_table[me].fault.si_signo != 0 ? &cpu_table[me].fault : nullptr;
  const int number = info != nullptr ? info->si_signo : SIGABRT;
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  sigaction(number, &by_default, nullptr);
  const auto pid = getpid();
  const auto tid = static_cast<pid_t>(this_tid());
  if (info == nullptr || syscall(SYS_rt_tgsigqueueinfo, pid, tid, number, info) != 0)
    syscall(SYS_tgkill, pid, tid, number);
  uint64_t only = uint64_t{1} << (number - 1);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, nullptr, sizeof only);
  if (info != nullptr) fault_again(*info);
}

/// Dies in any case, also as process 1.
[[noreturn]] inline void die_anyhow() noexcept {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) syscall(SYS_exit_group, 128 + SIGABRT);
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
