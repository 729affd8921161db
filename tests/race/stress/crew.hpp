// SPDX-License-Identifier: BSL-1.0
#pragma once
// Threads that are CPUs and meet before every round, in a child with a deadline: a lost wake-up ends there, not in a
// hang, and ThreadSanitizer's report becomes its exit status.

#include "../../process/posix/child.hpp"

#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/posix.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <memory>
#include <thread>
#include <vector>

namespace stress {

using namespace lastcpu;
using posix_test::in_child;
using posix_test::must;
using posix_test::outcome;

#if defined(LASTCPU_POSIX_UNDER_TSAN)
inline constexpr unsigned slower = 3;  // ThreadSanitizer's sleeps are polls, and it keeps a history
#else
inline constexpr unsigned slower = 1;
#endif

[[nodiscard]] constexpr unsigned rounds(unsigned plain) {
  return plain / slower;
}

/// Runs `body(cpu)` on `n` CPUs at once, 0 to n-1, in this process, and waits for all.
template <class F>
void on_cpus(cpu_id n, F body) {
  std::barrier start(static_cast<std::ptrdiff_t>(n));
  std::vector<std::thread> crew;
  for (cpu_id me = 0; me < n; ++me)
    crew.emplace_back([&, me] {
      const cpu_guard cpu(me);
      must(bool(cpu), "a free number");
      start.arrive_and_wait();
      body(me);
    });
  for (std::thread& t : crew) t.join();
}

/// The same, round by round: `before` and `after` run on one CPU while the others wait.
template <class Before, class Body, class After>
void in_rounds(cpu_id n, unsigned count, Before before, Body body, After after) {
  std::barrier meet(static_cast<std::ptrdiff_t>(n));
  on_cpus(n, [&](cpu_id me) {
    for (unsigned round = 0; round < count; ++round) {
      if (me == 0) before(round);
      meet.arrive_and_wait();
      body(me, round);
      meet.arrive_and_wait();
      if (me == 0) after(round);
    }
  });
}

inline constexpr long deadline_ms = 25'000;

/// `body` in a child that must end well.
template <class F>
void expect_success(F body) {
  const outcome o = in_child(body, deadline_ms);
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace stress
