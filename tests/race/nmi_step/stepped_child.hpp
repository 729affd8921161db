// SPDX-License-Identifier: BSL-1.0
#pragma once
// The process that is stepped: its main thread is CPU 0 and goes into the crash path; a second thread, which nobody
// traces, is CPU 1. Written for a child of a fork of a process with one thread.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include <thread>

#include "stepped_machine.hpp"

namespace nmi_step {

inline constexpr int bad_start = 90;
inline constexpr int panic_lost = 91;  // crash_kexec() came back to normal life after an NMI had panicked
inline constexpr int patience_s = 20;

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

[[noreturn]] inline void live_as_cpu_1() noexcept {
  lastcpu::cpu_guard cpu(1);
  if (!cpu) _exit(bad_start);
  set_and_wake(shared->rival_ready, 1);
  while (shared->go == 0) wait_while(shared->go, 0);
  machine->panic(rival_text);
}

[[nodiscard]] inline bool set_up_machine() {
  lastcpu::posix_options options;
  options.on_fault = lastcpu::fault_response::none;
  options.on_other_nmi = on_nmi;
  if (!lastcpu::posix_install(*machine, options).empty()) return false;
  lastcpu::capture_program image;
  image.size = good_image;
  if (shared->play.image && machine->image().load(image) != lastcpu::load_outcome::loaded) return false;
  std::thread(live_as_cpu_1).detach();
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
