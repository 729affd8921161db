// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the POSIX port's NMI costs: tgkill to threads that sleep, each of which says so in a line of its own and sleeps
// again. The simulation of sleeping threads takes its costs from a few of these stops, and is checked against others.

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "pinned.hpp"

namespace lastcpu_bench {

struct alignas(64) sleeper {
  std::atomic<uint32_t> answered{0};  // the round
  std::atomic<uint32_t> tid{0};
};

inline thread_local sleeper* this_sleeper __attribute__((tls_model("initial-exec"))) = nullptr;
inline std::atomic<uint32_t> stop_round{0};
inline std::atomic<sleeper*> awaited{nullptr};  // the sender sleeps until this one answers

inline void futex(std::atomic<uint32_t>& word, int op, uint32_t value) {
  syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

inline void on_stop_signal(int) {
  sleeper& me = *this_sleeper;
  me.answered.store(stop_round.load(std::memory_order_acquire), std::memory_order_seq_cst);
  if (awaited.load(std::memory_order_seq_cst) == &me) futex(me.answered, FUTEX_WAKE, 1);
}

inline void await(sleeper& s, uint32_t round) {
  awaited.store(&s, std::memory_order_seq_cst);
  for (uint32_t seen; (seen = s.answered.load(std::memory_order_seq_cst)) != round;)
    futex(s.answered, FUTEX_WAIT, seen);
}

struct stop_costs {
  double whole;  // ns from the first tgkill until the last answer has been seen
  double send;   // ns of one tgkill
};

/// Stops `count` threads that sleep on the CPUs `theirs`; the caller is on `mine`.
inline stop_costs measure_stop(uint32_t count, const std::vector<int>& mine, const std::vector<int>& theirs) {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigaction(SIGUSR2, &action, nullptr);
  const std::vector<int> before = allowed_cpus();
  stay_on(theirs);
  auto sleepers = std::make_unique<sleeper[]>(count);
  std::atomic<uint32_t> over{0};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      this_sleeper = &sleepers[i];
      sleepers[i].tid.store(static_cast<uint32_t>(syscall(SYS_gettid)), std::memory_order_release);
      while (over.load(std::memory_order_acquire) == 0) futex(over, FUTEX_WAIT, 0);
    });
  for (uint32_t i = 0; i < count; ++i)
    while (sleepers[i].tid.load(std::memory_order_acquire) == 0) std::this_thread::yield();
  stay_on(mine);
  std::vector<double> whole, send;
  for (int i = 0; i < 51; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds{2000 + 20 * count});  // until all of them sleep
    const uint32_t round = stop_round.fetch_add(1) + 1;
    const auto begun = timer::now();
    for (uint32_t n = 0; n < count; ++n) syscall(SYS_tgkill, getpid(), sleepers[n].tid.load(), SIGUSR2);
    send.push_back(ns_since(begun) / count);
    for (uint32_t n = 0; n < count; ++n) await(sleepers[n], round);
    whole.push_back(ns_since(begun));
    awaited.store(nullptr);
  }
  over.store(1, std::memory_order_release);
  futex(over, FUTEX_WAKE, 0x7fff'ffff);
  for (std::thread& t : threads) t.join();
  stay_on(before);
  return {median(whole), median(send)};
}

}  // namespace lastcpu_bench
