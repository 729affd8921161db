// SPDX-License-Identifier: BSL-1.0
#pragma once
// The process that is stepped: its main thread is CPU 0 and goes into the crash path; a second thread, which nobody
// traces, is CPU 1. Both run in memory that other machines have had before them (nursery.hpp).

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include "stepped_machine.hpp"

namespace nmi_step {

inline constexpr int bad_start = 90;
inline constexpr int panic_lost = 91;  // crash_kexec() came back to normal life after an NMI had panicked
inline constexpr int patience_s = 20;

inline constexpr size_t stack_bytes = 256 * 1024;
alignas(64) inline char stack_of_cpu_0[stack_bytes], stack_of_cpu_1[stack_bytes];
[[nodiscard]] inline void* end_of(char (&stack)[stack_bytes]) noexcept {
  return stack + stack_bytes;
}
/// Of a thread that uses them no more.
inline std::atomic<pthread_t> thread_locals_of_cpu_1{0};

inline void on_nmi(const lastcpu::posix_registers& regs) noexcept {
  shared->nmi_registers = regs;
  ++shared->nmis;
  if (panics_by_nmi(shared->play)) machine->nmi_panic(nmi_text, regs);
  ++shared->nmis_returned;
}

/// Whatever is masked or hangs, the process dies of SIGKILL when its time is up.
[[nodiscard]] inline bool start_watchdog() noexcept {
  sigevent kill_us{};
  kill_us.sigev_notify = SIGEV_SIGNAL;
  kill_us.sigev_signo = SIGKILL;
  itimerspec once{};
  once.it_value.tv_sec = patience_s;
  timer_t timer{};
  return timer_create(CLOCK_MONOTONIC, &kill_us, &timer) == 0 && timer_settime(timer, 0, &once, nullptr) == 0 &&
         prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

/// What the library keeps outside of the domain: as in the child of a fork.
inline void forget_machine_before() noexcept {
  using namespace lastcpu::posix_detail;
  this_thread_cpu = lastcpu::no_cpu;
  restart_table_after_fork();
  forget_sleepers();
}

[[noreturn]] inline void live_as_cpu_1() noexcept {
  lastcpu::posix_detail::this_thread_cpu = lastcpu::no_cpu;
  lastcpu::cpu_guard cpu(1);
  if (!cpu) _exit(bad_start);
  const thread_state of_cpu_0(static_cast<uint32_t>(getpid()));
  state_of_cpu_0 = &of_cpu_0;
  shared->rival_tid = lastcpu::posix_detail::this_tid();
  set_and_wake(shared->rival_ready, 1);
  while (shared->go == 0) wait_while(shared->go, 0);
  machine->panic(rival_text);
}

/// A thread of this process, as the C library makes it, with memory that is there already.
[[nodiscard]] inline bool start_cpu_1() noexcept {
  constexpr int a_thread =
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;
  const auto live = [](void*) -> int { live_as_cpu_1(); };
  return clone(live, end_of(stack_of_cpu_1), a_thread, nullptr, nullptr, thread_locals_of_cpu_1.load(), nullptr) > 0;
}

[[nodiscard]] inline bool set_up_machine() {
  lastcpu::posix_options options;
  options.on_fault = lastcpu::fault_response::none;
  options.on_other_nmi = on_nmi;
  if (!lastcpu::posix_install(*machine, options).empty()) return false;
  lastcpu::capture_program image;
  image.size = good_image;
  if (shared->play.image && machine->image().load(image) != lastcpu::load_outcome::loaded) return false;
  if (!start_cpu_1()) return false;
  while (shared->rival_ready == 0) wait_while(shared->rival_ready, 0);
  return true;
}

[[nodiscard]] inline bool irqs_are_on() noexcept {
  sigset_t blocked;
  return sigprocmask(SIG_BLOCK, nullptr, &blocked) == 0 && sigismember(&blocked, SIGUSR1) == 0;
}

/// crash_kexec() came back. That is the end of the play unless CPU 1 panics as well and asks this one to stop.
[[noreturn]] inline void live_on(lastcpu::kexec_outcome why) noexcept {
  shared->over = 1;
  anchor();
  shared->came_back = 1 + static_cast<uint32_t>(why);
  shared->irqs_on_again = irqs_are_on() ? 1 : 0;
  while (shared->go != 0) pause();
  _exit(shared->nmis_returned != 0 && panics_by_nmi(shared->play) ? panic_lost : 0);
}

[[noreturn]] inline void live_as_cpu_0() {
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
    shared->trace_refused = static_cast<uint32_t>(errno);
    _exit(bad_start);
  }
  forget_machine_before();
  if (!start_watchdog() || !set_up_machine()) _exit(bad_start);
  lastcpu::cpu_guard cpu(0);  // from here on anchors count
  if (!cpu) _exit(bad_start);
  lastcpu::posix_registers regs{};
  regs.pc = caller_pc;
  anchor();
  if (shared->play.what == path::panic) machine->panic(panic_text, &regs);
  live_on(machine->crash_kexec(&regs, oops_text));
}

}  // namespace nmi_step
