// SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"

#include <gtest/gtest.h>

namespace futex_test {
namespace {

using namespace posix_test;
using posix_detail::all_sleepers;
using posix_detail::monotonic_ns;

constexpr uint64_t ms = 1'000'000;

[[nodiscard]] uint64_t thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

// A waiter on `word` and somebody who changes it; deadlocks, and so runs into the child's deadline, when the wake is
// lost.
template <class T>
void wait_and_be_woken(T first, T second) {
  static atomic<T> word{};
  word.store(first, order::relaxed);
  std::thread waiter([&] {
    while (word.load(order::acquire) == first) must(posix::wait_while(word, first, no_deadline), "no deadline, no end");
  });
  must(eventually([] { return all_sleepers() == 1; }), "the waiter sleeps");
  word.store(second, order::release);
  posix::wake(word);
  waiter.join();
  must(all_sleepers() == 0, "nobody sleeps any more");
}

TEST(futex, a_wait_on_another_value_returns_at_once) {
  atomic<uint32_t> word{7};
  const uint64_t before = monotonic_ns();
  EXPECT_TRUE(posix::wait_while(word, 6u, before + 10'000 * ms));
  EXPECT_LT(monotonic_ns() - before, 5'000 * ms);
  EXPECT_EQ(all_sleepers(), 0u);
}

TEST(futex, a_wait_ends_when_its_word_is_changed_and_woken) {
  const auto o = in_child([] { wait_and_be_woken<uint32_t>(0, 1); });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, a_wait_on_a_wide_word_ends_when_its_low_half_changes) {
  const auto o = in_child([] { wait_and_be_woken<uintptr_t>(uintptr_t{5} << 40 | 1, uintptr_t{5} << 40 | 2); });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, a_wait_on_a_gate_goes_on_at_its_commit_and_ends_when_its_owner_ends_the_machine) {
  const auto o = in_child([] {
    static constinit panic_cpu<posix> gate;
    const cpu_guard cpu(0);
    must(gate.claim(hold::final).won(), "it is free");
    std::thread waiter([] {
      for (gate_word seen = gate.read(); !seen.is_committed(); seen = gate.read()) gate.wait_while(seen);
    });
    must(eventually([] { return all_sleepers() == 1; }), "the waiter sleeps");
    sleep_ms(20);  // it is counted before it compares
    must(gate.commit(), "it is committed");
#if !defined(LASTCPU_POSIX_UNDER_TSAN)  // whose sleeps are short
    sleep_ms(20);
    must(all_sleepers() == 1, "the waiter sleeps on");
#endif
    gate.wake_losers();
    waiter.join();
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, a_wait_on_a_wide_word_that_reads_like_a_committed_gate_ends) {
  constexpr uintptr_t dumping = gate_word{}.taken_by(1, phase::dumping).bits();
  const auto o = in_child([] {
    wait_and_be_woken<uintptr_t>(1, dumping);
    wait_and_be_woken<uintptr_t>(dumping | 1, dumping);
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, all_waiters_are_woken_not_just_one) {
  const auto o = in_child([] {
    static atomic<uint32_t> word{};
    std::thread waiters[8];
    for (std::thread& t : waiters)
      t = std::thread([] {
        while (word.load(order::acquire) == 0) (void)posix::wait_while(word, 0u, no_deadline);
      });
    must(eventually([] { return all_sleepers() == 8; }), "eight sleep");
    word.store(1, order::release);
    posix::wake(word);
    for (std::thread& t : waiters) t.join();
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, a_wait_is_false_only_when_its_deadline_is_over) {
  atomic<uint32_t> word{};
  const uint64_t at = monotonic_ns() + 60 * ms;
  uint32_t looks = 0;
  while (posix::wait_while(word, 0u, at)) ++looks;
  EXPECT_GE(monotonic_ns(), at);
  EXPECT_GE(looks, 1u) << "it looks up now and then";
  EXPECT_FALSE(posix::wait_while(word, 0u, at)) << "a deadline in the past is over at once";
  EXPECT_FALSE(posix::wait_while(word, 1u, 0)) << "whatever the word holds";
}

TEST(futex, a_bounded_wait_does_not_outlast_its_deadline_by_much) {
  atomic<uint32_t> word{};
  const uint64_t before = monotonic_ns();
  while (posix::wait_while(word, 0u, before + 30 * ms)) {
  }
  EXPECT_LT(monotonic_ns() - before, 5'000 * ms);
}

// The word is changed without a wake: only a comparison after the signal can see it.
TEST(futex, a_signal_taken_inside_makes_the_wait_compare_again) {
  for (const int flags : {0, SA_RESTART}) {
    const auto o = in_child([flags] {
      static atomic<uint32_t> word{};
      struct sigaction act {};
      act.sa_handler = [](int) { word.store(1, order::release); };
      act.sa_flags = flags;
      sigaction(SIGUSR1, &act, nullptr);
      std::thread waiter([] {
        while (word.load(order::acquire) == 0) (void)posix::wait_while(word, 0u, no_deadline);
      });
      must(eventually([] { return all_sleepers() == 1; }), "the waiter sleeps");
      pthread_kill(waiter.native_handle(), SIGUSR1);
      waiter.join();
      must(all_sleepers() == 0, "sleepers is back to zero");
    });
    EXPECT_TRUE(o.succeeded()) << "flags " << flags << ": " << o;
  }
}

TEST(futex, a_waiter_uses_no_processor_time) {
  const auto o = in_child([] {
    static atomic<uint32_t> word{};
    static uint64_t used = 0;
    std::thread waiter([] {
      while (word.load(order::acquire) == 0) (void)posix::wait_while(word, 0u, no_deadline);
      used = thread_cpu_ns();
    });
    sleep_ms(400);
    word.store(1, order::release);
    posix::wake(word);
    waiter.join();
    must(used < 120 * ms, "a thread that waited 400 ms used less than 120 ms of a processor");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(futex, the_clock_counts_nanoseconds_and_never_goes_back) {
  EXPECT_EQ(posix::ticks_per_second(), 1'000'000'000u);
  uint64_t last = posix::now();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = posix::now();
    ASSERT_GE(now, last);
    last = now;
  }
  const uint64_t before = posix::now();
  sleep_ms(20);
  EXPECT_GE(posix::now() - before, 20 * ms);
}

}  // namespace
}  // namespace futex_test
