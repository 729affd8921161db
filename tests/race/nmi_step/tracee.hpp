// SPDX-License-Identifier: BSL-1.0
#pragma once
// One process under ptrace, of which the first thread is traced: run to a breakpoint, step, let go with a signal.
// x86-64 Linux. Breakpoints are written into the text, for a debug register does nothing on some virtual machines. Another
// thread that comes to one kills the process.

#include <lastcpu/platform/posix/registers.hpp>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

#include "nursery.hpp"

namespace nmi_step {

class tracee {
 public:
  explicit tracee(nursery& from) : from_(from), pid_(from.bear(status_)), alive_(WIFSTOPPED(status_)) {}
  ~tracee() {
    if (alive_) kill(pid_, SIGKILL);
    while (alive_) wait_for_stop();
  }
  tracee(const tracee&) = delete;
  tracee& operator=(const tracee&) = delete;

  /// Each is true when the child has stopped there, false when it is dead.
  [[nodiscard]] bool await_first_stop() { return alive_ && settle(PTRACE_CONT); }
  [[nodiscard]] bool step() { return resume(PTRACE_SINGLESTEP); }
  /// To the next of these instructions or to an int3 of its own.
  [[nodiscard]] bool run_to(const std::vector<uint64_t>& breaks) {
    for (const uint64_t at : breaks) (void)write_text(at, breaks);
    const bool stopped = resume(PTRACE_CONT);
    for (const uint64_t at : breaks)
      if (!stopped || !write_text(at, {})) from_.spoil();
    if (!stopped) return false;
    const uint64_t before_the_trap = pc() - 1;
    if (std::find(breaks.begin(), breaks.end(), before_the_trap) != breaks.end()) set_pc(before_the_trap);
    return true;
  }

  /// 0 when CPU 1 has just ended the process.
  [[nodiscard]] uint64_t pc() const {
    errno = 0;
    const long pc = ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), nullptr);
    if (errno == 0) return static_cast<uint64_t>(pc);
    check(-1, "PTRACE_PEEKUSER");
    return 0;
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
    if (!WIFEXITED(status_)) from_.spoil();
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

  void set_pc(uint64_t pc) const {
    check(ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), pc), "PTRACE_POKEUSER");
  }

  // The word of text around `at`, with an int3 at each of `breaks` in it. The tracer has the same text at the same address.
  // False when the process is gone.
  [[nodiscard]] bool write_text(uint64_t at, const std::vector<uint64_t>& breaks) const {
    const uint64_t begin = at & ~uint64_t{7};
    unsigned char bytes[8];
    memcpy(bytes, reinterpret_cast<const void*>(begin), sizeof bytes);
    for (const uint64_t b : breaks)
      if (b - begin < sizeof bytes) bytes[b - begin] = 0xcc;
    uint64_t text = 0;
    memcpy(&text, bytes, sizeof text);
    const long result = ptrace(PTRACE_POKETEXT, pid_, begin, text);
    check(result, "PTRACE_POKETEXT");
    return result == 0;
  }

  // A child that CPU 1 has ended between two of our calls is gone (ESRCH): the next wait says so.
  static void check(long result, const char* what) {
    if (result != -1 || errno == ESRCH) return;
    perror(what);
    abort();
  }

  nursery& from_;
  int status_ = 0;
  pid_t pid_;
  bool alive_;
};

}  // namespace nmi_step
