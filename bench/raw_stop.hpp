// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stopping every thread by hand, as one who needs nothing else would write it: a tgkill() to each, a flag from each.
//
// The handler sets its thread's own flag and sleeps for good, in the one system call that masks everything and sleeps.
// The owner looks at the flags from the last to the first. At one that is not set it lets the others run a few times,
// then leaves a mark and sleeps in the kernel; that thread sees the mark and wakes it, and no other thread makes a system
// call for it. Of what was tried this is the quickest: also an owner that only yields or only sleeps, one that goes
// through the flags from the first to the last, a semaphore that every thread posts, threads that sleep in a futex.

#include "crew.hpp"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace lastcpu_bench {

class raw_stop {
 public:
  /// Once in a child, before its threads.
  static void install() {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    must(sigaction(SIGUSR1, &action, nullptr) == 0, "the handler is in place");
  }

  /// This thread is number `number` from here on; its flag is in memory before it is needed.
  static unsigned enter(unsigned number) {
    flags[number].word.store(clear, std::memory_order_relaxed);
    return mine = number;
  }

  /// Stops threads 1 to `count`.
  static void stop(unsigned count) {
    const long pid = syscall(SYS_getpid);
    for (unsigned i = 1; i <= count; ++i)
      syscall(SYS_tgkill, pid, crew[i].tid.load(std::memory_order_relaxed), SIGUSR1);
    for (unsigned i = count; i >= 1; --i) await(flags[i].word);
  }

  [[nodiscard]] static unsigned stopped() {
    unsigned n = 0;
    for (const flag& f : flags) n += f.word.load(std::memory_order_relaxed) == set ? 1u : 0u;
    return n;
  }

 private:
  enum : std::uint32_t { clear, awaited, set };
  struct alignas(64) flag {
    std::atomic<std::uint32_t> word;  // clear at first
  };

  static void handler(int) {
    std::atomic<std::uint32_t>& word = flags[mine].word;
    // release: what the thread did is there for who sees the flag; acquire: the owner's mark
    if (word.exchange(set, std::memory_order_acq_rel) == awaited)
      syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    const std::uint64_t everything = ~std::uint64_t{0};
    for (;;) syscall(SYS_rt_sigsuspend, &everything, sizeof everything);
  }

  static void await(std::atomic<std::uint32_t>& word) {
    for (int yields = 0; yields < 64; ++yields) {
      if (word.load(std::memory_order_acquire) == set) return;
      syscall(SYS_sched_yield);
    }
    std::uint32_t seen = clear;
    if (!word.compare_exchange_strong(seen, awaited, std::memory_order_acq_rel)) return;
    while (word.load(std::memory_order_acquire) != set)
      syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, awaited, nullptr, nullptr, 0);
  }

  static inline flag flags[most_threads];
  static inline thread_local unsigned mine __attribute__((tls_model("initial-exec"))) = 0;
};

}  // namespace lastcpu_bench
