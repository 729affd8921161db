// SPDX-License-Identifier: BSL-1.0
// Waiting without a deadline: one wake-up that is lost is a hang, and the child's deadline ends it.
#include "crew.hpp"

namespace wait_stress {
namespace {

using namespace stress;

template <class T>
void wait_until(atomic<T>& word, T wanted) {
  for (T seen = word.load(order::acquire); seen != wanted; seen = word.load(order::acquire))
    (void)posix::wait_while(word, seen, no_deadline);
}

// Two threads hand a ball over; what goes with it is plain.
template <class T>
void play(unsigned count) {
  static atomic<T> ball{};
  static uint64_t plain = 0;
  on_cpus(2, [count](cpu_id me) {
    for (unsigned i = 0; i < count; ++i) {
      wait_until(ball, static_cast<T>(2 * i + me));
      ++plain;
      ball.store(static_cast<T>(2 * i + me + 1), order::release);
      posix::wake(ball);
    }
  });
  must(plain == uint64_t{2} * count, "each had it in turn");
  must(posix_detail::all_sleepers() == 0, "nobody sleeps in the end");
}

TEST(wait_stress, no_wake_is_lost_between_two_threads) {
  expect_success([] { play<uint32_t>(rounds(40'000)); });
}

TEST(wait_stress, no_wake_is_lost_on_a_wide_word) {
  expect_success([] { play<uintptr_t>(rounds(40'000)); });
}

TEST(wait_stress, every_waiter_is_woken_by_every_change) {
  expect_success([] {
    static atomic<uint32_t> word{};
    static atomic<uint32_t> arrived{};
    constexpr cpu_id cpus = 6;
    on_cpus(cpus, [](cpu_id me) {
      for (uint32_t round = 1; round <= rounds(3'000); ++round) {
        if (me != 0) {
          wait_until(word, round);
          arrived.fetch_add(1, order::acq_rel);
          posix::wake(arrived);
          continue;
        }
        word.store(round, order::release);
        posix::wake(word);
        wait_until(arrived, round * (cpus - 1));
      }
    });
  });
}

TEST(wait_stress, signals_in_between_lose_no_wake) {
  expect_success([] {
    signal(SIGUSR1, [](int) {});
    static std::atomic<bool> over{};
    static std::atomic<uint32_t> tids[2];
    std::thread disturber([] {
      while (!over) {
        for (const auto& t : tids)
          if (t != 0) syscall(SYS_tgkill, getpid(), t.load(), SIGUSR1);
        posix_test::sleep_ms(1);
      }
    });
    static atomic<uint32_t> ball{};
    on_cpus(2, [](cpu_id me) {
      tids[me] = posix_detail::this_tid();
      for (uint32_t i = 0; i < rounds(20'000); ++i) {
        wait_until(ball, 2 * i + me);
        ball.store(2 * i + me + 1, order::release);
        posix::wake(ball);
      }
      tids[me] = 0;
    });
    over = true;
    disturber.join();
  });
}

}  // namespace
}  // namespace wait_stress
