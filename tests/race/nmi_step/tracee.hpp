// SPDX-License-Identifier: BSL-1.0
#pragma once
// One process under ptrace, of which the first thread is traced: run to an int3, run to an address, step, let go with a
// signal. x86-64 Linux.

#include <lastcpu/platform/posix/registers.hpp>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nmi_step {

class tracee {
 public:
  /// Forks; the child calls `live`, which asks to be traced and does not return.
  explicit tracee(void (*live)()) : pid_(fork()) {
    if (pid_ == 0) {
      live();
      _exit(1);
    }
    if (pid_ < 0) {
      perror("fork");
      abort();
    }
  }
  ~tracee() {
    if (alive_) kill(pid_, SIGKILL);
    while (alive_) wait_for_stop();
  }
  tracee(const tracee&) = delete;
  tracee& operator=(const tracee&) = delete;

  /// Each is true when the child has stopped there, false when it is dead.
  [[nodiscard]] bool await_first_stop() { return wait_for_stop() && settle(PTRACE_CONT); }
  [[nodiscard]] bool step() { return resume(PTRACE_SINGLESTEP); }
  /// To the instruction at `pc` or to the next int3: look where. Only this thread stops there, the text stays as it is.
  [[nodiscard]] bool run_to(uint64_t pc) {
    set_debug_register(0, pc);
    set_debug_register(7, 1);
    const bool stopped = resume(PTRACE_CONT);
    if (stopped) set_debug_register(7, 0);
    return stopped;
  }

  [[nodiscard]] lastcpu::posix_registers registers() const {
    user_regs_struct u{};
    check(ptrace(PTRACE_GETREGS, pid_, nullptr, &u), "PTRACE_GETREGS");
    lastcpu::posix_registers r{};
    r.pc = u.rip;
    r.sp = u.rsp;
    r.fp = u.rbp;
    r.flags = u.eflags;
    const uint64_t general[] = {u.rax, u.rbx, u.rcx, u.rdx, u.rsi, u.rdi, u.rbp, u.rsp,
                                u.r8,  u.r9,  u.r10, u.r11, u.r12, u.r13, u.r14, u.r15};
    for (uint32_t i = 0; i < r.general_count; ++i) r.general[i] = general[i];
    return r;
  }

  /// Runs free, with `signal` delivered before the next instruction (0: none), to the end.
  void let_go(int signal) {
    check(ptrace(PTRACE_DETACH, pid_, nullptr, signal), "PTRACE_DETACH");
    while (alive_) wait_for_stop();
  }
  /// How it ended, as waitpid() says.
  [[nodiscard]] int status() const { return status_; }

 private:
  bool resume(__ptrace_request how) {
    check(ptrace(how, pid_, nullptr, 0), "ptrace");
    return wait_for_stop() && settle(how);
  }

  // Other signals than the trap are the machine's own business.
  bool settle(__ptrace_request how) {
    while (WSTOPSIG(status_) != SIGTRAP) {
      check(ptrace(how, pid_, nullptr, WSTOPSIG(status_)), "ptrace");
      if (!wait_for_stop()) return false;
    }
    return true;
  }

  bool wait_for_stop() {
    pid_t who = -1;
    do {
      who = waitpid(pid_, &status_, __WALL);
    } while (who < 0 && errno == EINTR);
    check(who, "waitpid");
    alive_ = WIFSTOPPED(status_);
    return alive_;
  }

  void set_debug_register(size_t i, uint64_t value) const {
    const size_t at = offsetof(user, u_debugreg) + i * sizeof(user::u_debugreg[0]);
    check(ptrace(PTRACE_POKEUSER, pid_, at, value), "a hardware breakpoint");
  }

  // A child that CPU 1 has ended between two of our calls is gone (ESRCH): the next wait says so.
  static void check(long result, const char* what) {
    if (result != -1 || errno == ESRCH) return;
    perror(what);
    abort();
  }

  pid_t pid_;
  bool alive_ = true;
  int status_ = 0;
};

}  // namespace nmi_step
