// SPDX-License-Identifier: BSL-1.0
#pragma once
// A process that a test may lose: runs a body in a forked child, with a deadline, and says how it ended.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <new>
#include <ostream>
#include <string>

namespace posix_test {

inline constexpr int broken_promise = 97;  // exit status of a child that met a false must()

struct outcome {
  bool timed_out = false;
  int status = 0;      // as waitpid() gives it
  std::string output;  // stdout and stderr

  [[nodiscard]] bool exited_with(int code) const {
    return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == code;
  }
  [[nodiscard]] bool died_of(int signal) const {
    return !timed_out && WIFSIGNALED(status) && WTERMSIG(status) == signal;
  }
  [[nodiscard]] bool succeeded() const { return exited_with(0); }
};

inline std::ostream& operator<<(std::ostream& to, const outcome& o) {
  if (o.timed_out)
    to << "the child did not end by its deadline";
  else if (WIFEXITED(o.status))
    to << "the child exited with " << WEXITSTATUS(o.status);
  else
    to << "the child died of " << strsignal(WTERMSIG(o.status));
  return to << "\n" << o.output;
}

/// In a child: goes on only if `ok`.
inline void must(bool ok, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (ok) return;
  dprintf(STDERR_FILENO, "%s:%d: not so: %s\n", file, line, what);
  _exit(broken_promise);
}

inline void must_be_empty(const std::string& error, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  must(error.empty(), error.c_str(), file, line);
}

inline void sleep_ms(long ms) {
  const timespec t{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&t, nullptr);
}

[[nodiscard]] inline long now_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<long>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

/// Waits for `condition()` with a bound; what it says in the end.
template <class F>
[[nodiscard]] bool eventually(F condition, long bound_ms = 10'000) {
  for (const long at = now_ms() + bound_ms; now_ms() < at; sleep_ms(1))
    if (condition()) return true;
  return condition();
}

/// Memory that a child shares with its parents; T is plain and starts as zeros.
template <class T>
class shared {
 public:
  shared() {
    void* p = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "memory to share");
    at_ = new (p) T{};
  }
  ~shared() { munmap(static_cast<void*>(at_), sizeof(T)); }
  shared(const shared&) = delete;
  shared& operator=(const shared&) = delete;
  T* operator->() const { return at_; }
  T& operator*() const { return *at_; }

 private:
  T* at_;
};

/// Ends with its parent, leaves no core behind, and starts without a sanitizer's fault handlers.
inline void become_a_test_child() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) signal(s, SIG_DFL);
}

inline void read_what_is_there(int fd, std::string& to) {
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) to.append(buffer, static_cast<size_t>(n));
}

/// Collects the output of `pid` and its end; kills it at the deadline.
inline outcome await_child(pid_t pid, int output, long deadline_ms) {
  outcome o;
  fcntl(output, F_SETFL, O_NONBLOCK);
  const long at = now_ms() + deadline_ms;
  while (waitpid(pid, &o.status, WNOHANG) == 0) {
    if (now_ms() >= at) {
      o.timed_out = true;
      kill(pid, SIGKILL);
      waitpid(pid, &o.status, 0);
      break;
    }
    pollfd p{output, POLLIN, 0};
    poll(&p, 1, 2);
    read_what_is_there(output, o.output);
    if ((p.revents & POLLHUP) != 0) sleep_ms(1);
  }
  read_what_is_there(output, o.output);
  close(output);
  return o;
}

inline constexpr long usual_deadline_ms = 30'000;

/// Runs `body` in a child, which exits with 0 when the body returns.
template <class F>
[[nodiscard]] outcome in_child(F&& body, long deadline_ms = usual_deadline_ms) {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
  fflush(nullptr);
  const pid_t pid = fork();
  must(pid >= 0, "a child");
  if (pid == 0) {
    become_a_test_child();
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  return await_child(pid, ends[0], deadline_ms);
}

}  // namespace posix_test
