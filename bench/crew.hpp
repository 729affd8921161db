// SPDX-License-Identifier: BSL-1.0
#pragma once
// The threads that a trial stops: each asleep in a futex or a poll() of its own, or spinning. In a child process; they
// are never joined.

#include "child_process.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <thread>

namespace lastcpu_bench {

/// A trial has fewer; their numbers begin with 1, for 0 is the thread that stops them.
inline constexpr unsigned most_threads = 1024;

enum class pastime { asleep, spinning };

/// What is known of one thread, on a line of its own.
struct alignas(64) crew_member {
  std::atomic<pid_t> tid{0};  // set when it has nothing left to do but to pass its time
  std::atomic<std::uint32_t> word{0};
};
inline crew_member crew[most_threads];

/// The last thing of a thread before it goes to sleep for ever.
inline void say_ready(unsigned number) {
  crew[number].tid.store(gettid(), std::memory_order_release);
}

/// The word "go" for threads that sleep until it comes; once.
class start_signal {
 public:
  void await() noexcept {
    while (word_.load(std::memory_order_acquire) == 0)
      syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
  void give() noexcept {
    word_.store(1, std::memory_order_release);
    syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }

 private:
  std::atomic<std::uint32_t> word_{0};
};

/// Every second thread sleeps in a futex, the others in poll().
[[noreturn]] inline void sleep_in_the_kernel(unsigned number) {
  for (;;) {
    if (number % 2 == 0)
      syscall(SYS_futex, &crew[number].word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    else
      poll(nullptr, 0, -1);
  }
}

[[noreturn]] inline void spin(unsigned number) {
  for (;;) crew[number].word.fetch_add(1, std::memory_order_relaxed);
}

/// Starts threads 1 to `count`. Each calls `enter(number)`, keeps what that returns, and passes its time.
template <class Enter>
void start_crew(unsigned count, pastime how, Enter enter) {
  for (unsigned number = 1; number <= count; ++number)
    std::thread([number, how, enter] {
      [[maybe_unused]] const auto kept = enter(number);
      say_ready(number);
      if (how == pastime::asleep) sleep_in_the_kernel(number);
      spin(number);
    }).detach();
}

/// The kernel says that thread `tid` of this process sleeps.
inline bool is_asleep(pid_t tid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", static_cast<int>(tid));
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[256];
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  const char* const name_end = strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'S';
}

/// Returns when threads `first` to `last` are truly asleep, or have spun for a while. The child's deadline bounds it.
inline void await_crew(unsigned first, unsigned last, pastime how) {
  constexpr std::uint32_t a_while = 1000;
  const auto has_begun = [how](const crew_member& m) {
    const pid_t tid = m.tid.load(std::memory_order_acquire);
    if (tid == 0) return false;
    return how == pastime::asleep ? is_asleep(tid) : m.word.load(std::memory_order_relaxed) > a_while;
  };
  for (unsigned number = first; number <= last; ++number)
    while (!has_begun(crew[number])) usleep(200);
}

}  // namespace lastcpu_bench
