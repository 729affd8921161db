// SPDX-License-Identifier: BSL-1.0
#pragma once
// A trial that ends its process: stopping CPUs is for good. It runs in a forked child with a deadline, and hands its
// result back through shared memory. Whatever goes wrong is an exception with a sentence, never a number.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "topology.hpp"

namespace lastcpu_bench {

/// Bytes that a process and its children share, at one address.
class shared_memory {
 public:
  explicit shared_memory(std::size_t bytes) : bytes_(bytes) {
    at_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at_ == MAP_FAILED) throw std::runtime_error("no memory to share with a child");
  }
  ~shared_memory() { munmap(at_, bytes_); }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  [[nodiscard]] void* at() const { return at_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void* at_;
  std::size_t bytes_;
};

/// What a trial says: its figures, or what went wrong.
template <class Figures>
struct trial_report {
  bool done;
  char error[120];
  Figures figures;

  /// For the child, on any of its threads.
  [[noreturn]] void fail(const char* why) {
    std::snprintf(error, sizeof error, "%s", why);
    _exit(1);
  }
  void must(bool as_expected, const char* why) {
    if (!as_expected) fail(why);
  }
  [[noreturn]] void finish(const Figures& f) {
    figures = f;
    done = true;
    _exit(0);
  }
};

namespace detail {

/// Waits until `pid` ends, which closes the other end of `pipe`; kills it at the deadline. False when it had to.
inline bool await_end(pid_t pid, int pipe, std::chrono::milliseconds deadline) {
  pollfd end{pipe, POLLIN, 0};
  const bool in_time = poll(&end, 1, static_cast<int>(deadline.count())) == 1;
  close(pipe);
  if (!in_time) kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return in_time;
}

}  // namespace detail

inline constexpr std::chrono::milliseconds trial_deadline{10'000};

/// The figures of one trial. `body(report)` runs in the child and must end in report.finish().
template <class Figures, class Body>
Figures in_child(Body body) {
  const shared_memory memory(sizeof(trial_report<Figures>));
  auto& report = *new (memory.at()) trial_report<Figures>{};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe to a child");
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("no child: fork() failed");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    body(report);
    report.fail("the trial came to no end");
  }
  close(ends[1]);
  if (!detail::await_end(pid, ends[0], trial_deadline))
    throw std::runtime_error("a trial was not over after " + std::to_string(trial_deadline.count()) + " ms");
  if (!report.done) throw std::runtime_error(report.error[0] != '\0' ? report.error : "a trial ended without a result");
  return report.figures;
}

}  // namespace lastcpu_bench
