// SPDX-License-Identifier: BSL-1.0
#pragma once
// One trial of something that is for good (a stop, a crash) in a process of its own, which ends with it.
//
// The child hands its figures back in shared memory, so that also one that is killed has reported what it measured by
// then, and a program that it becomes may write there too: figures_fd_here is inherited. The parent sleeps until the
// child is gone: it takes no processor from it. Every child has a deadline; at it the child is killed, and end() says so.
// A child that must() something which is not so says what, and ends.

#include "monotonic.hpp"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace lastcpu_bench {

/// In a child: where its parent reads what was not so.
inline char (*not_so_here)[120] = nullptr;

/// In a child: the file of its Figures, which begin at its offset 0.
inline int figures_fd_here = -1;

/// In a child: goes on only if `ok`; else the trial has failed, and error() says `what` was not so. Any context.
inline void must(bool ok, const char* what) noexcept {
  if (ok) [[likely]]
    return;
  if (not_so_here != nullptr) strncpy(*not_so_here, what, sizeof *not_so_here - 1);
  _exit(97);
}

/// How a child ended.
struct child_end {
  bool timed_out = false;
  int status = 0;  // as waitpid() gives it
  std::uint64_t at_ns = 0;

  [[nodiscard]] bool exited_with(int code) const {
    return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == code;
  }
  [[nodiscard]] int signal() const { return !timed_out && WIFSIGNALED(status) ? WTERMSIG(status) : 0; }
};

/// A child process and the `Figures` that it shares with its parent; plain data, zeros at first.
template <class Figures>
class child_process {
  static_assert(std::is_trivially_copyable_v<Figures>);
  struct page {
    Figures figures;
    char not_so[120];
  };

 public:
  /// Starts `body(Figures&)` in a child, which exits with 0 when it returns, and waits for its end.
  template <class Body>
  explicit child_process(Body body, std::chrono::milliseconds deadline = std::chrono::seconds{20}) {
    fd_ = memfd_create("figures", 0);
    if (fd_ < 0 || ftruncate(fd_, sizeof(page)) != 0) abort_for("file for a child's figures");
    void* const memory = mmap(nullptr, sizeof(page), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) abort_for("memory for a child's figures");
    page_ = new (memory) page{};
    fflush(nullptr);
    const pid_t pid = fork();
    if (pid < 0) abort_for("a child process");
    if (pid == 0) run(body);
    wait_for(pid, deadline);
  }
  ~child_process() {
    munmap(page_, sizeof(page));
    close(fd_);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  [[nodiscard]] const Figures& figures() const { return page_->figures; }
  [[nodiscard]] const child_end& end() const { return end_; }

  /// Empty when the child came to its end as it should; else a sentence.
  [[nodiscard]] std::string error() const {
    if (page_->not_so[0] != '\0') return std::string{"a trial failed: not so: "} + page_->not_so;
    if (end_.timed_out) return "a trial did not end by its deadline";
    if (WIFSIGNALED(end_.status)) return std::string{"a trial died: "} + strsignal(WTERMSIG(end_.status));
    if (!end_.exited_with(0)) return "a trial exited with " + std::to_string(WEXITSTATUS(end_.status));
    return {};
  }

 private:
  [[noreturn]] static void abort_for(const char* what) {
    fprintf(stderr, "benchmark: no %s: %s\n", what, strerror(errno));
    std::abort();
  }

  template <class Body>
  [[noreturn]] void run(Body& body) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    not_so_here = &page_->not_so;
    figures_fd_here = fd_;
    body(page_->figures);
    _exit(0);
  }

  void wait_for(pid_t pid, std::chrono::milliseconds deadline) {
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (handle < 0) abort_for("pidfd_open()");
    pollfd p{handle, POLLIN, 0};
    end_.timed_out = poll(&p, 1, static_cast<int>(deadline.count())) == 0;
    end_.at_ns = monotonic_ns();
    if (end_.timed_out) kill(pid, SIGKILL);
    waitpid(pid, &end_.status, 0);
    close(handle);
  }

  page* page_;
  int fd_;
  child_end end_;
};

/// What such a child measured. An exception with a sentence where it did not come to its end as it should.
template <class Figures, class Body>
Figures figures_of_child(Body body) {
  const child_process<Figures> child(body);
  if (const std::string error = child.error(); !error.empty()) throw std::runtime_error(error);
  return child.figures();
}

}  // namespace lastcpu_bench
