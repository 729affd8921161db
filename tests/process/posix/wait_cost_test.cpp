// SPDX-License-Identifier: BSL-1.0
// What a wait asks of the kernel: how long it sleeps at most, and how often it lets others run before.
#include "counted_calls.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>

namespace wait_cost_test {
namespace {

using namespace posix_test;

constexpr uint64_t ms = 1'000'000;

struct wait_cost : testing::Test {
  wait_cost() {
    for (atomic<uint32_t>* n : {&counted.waits, &counted.endless_waits, &counted.yields, &counted.wakes})
      n->store(0, order::relaxed);
    counted.last_wait_ns.store(0, order::relaxed);
    counted.instead_of_yield = nullptr;
  }
  template <class F>
  [[nodiscard]] static bool wait(F one_wait) {
    bool more = false;
    count_calls_of([&] { more = one_wait(); });
    return more;
  }
};

[[nodiscard]] uint32_t of(const atomic<uint32_t>& n) {
  return n.load(order::relaxed);
}

TEST_F(wait_cost, with_a_far_deadline_is_ten_milliseconds_of_sleep_at_a_time) {
  const atomic<uint32_t> never{};
  EXPECT_TRUE(wait([&] { return posix::wait_while(never, 0u, posix::now() + 60'000 * ms); }));
  EXPECT_EQ(of(counted.waits), 1u);
  EXPECT_EQ(of(counted.endless_waits), 0u);
  EXPECT_EQ(counted.last_wait_ns.load(order::relaxed), 10 * ms);
}

TEST_F(wait_cost, with_a_near_deadline_is_a_sleep_up_to_that) {
  const atomic<uint32_t> never{};
  for (int trial = 0; trial < 100 && of(counted.waits) == 0; ++trial)  // a busy machine may use it up before
    (void)wait([&] { return posix::wait_while(never, 0u, posix::now() + 5 * ms); });
  EXPECT_EQ(of(counted.waits), 1u);
  EXPECT_GT(counted.last_wait_ns.load(order::relaxed), 0u);
  EXPECT_LT(counted.last_wait_ns.load(order::relaxed), 5 * ms);
}

TEST_F(wait_cost, lets_others_run_as_often_as_it_says_at_most) {
  const atomic<uint32_t> never{};
  const uint64_t at = posix::now() + 60'000 * ms;
  (void)wait([&] { return posix_detail::wait_while(never, 0u, at, 0); });
  EXPECT_EQ(of(counted.yields), 0u);
  (void)wait([&] { return posix_detail::wait_while(never, 0u, at, 3); });
  EXPECT_LE(of(counted.yields), 3u);
  EXPECT_GE(of(counted.yields), 1u);
  counted.yields.store(0, order::relaxed);
  (void)wait([&] { return posix::wait_while(never, 0u, at); });
  EXPECT_LE(of(counted.yields), 64u);
  EXPECT_GE(of(counted.yields), 1u);
}

// What it waits for comes from who was let run, and takes until the deadline.
TEST_F(wait_cost, that_gets_what_it_waits_for_at_its_deadline_has_got_it) {
  static atomic<uint32_t> word{};
  static uint64_t at;
  at = posix::now() + 2 * ms;
  counted.instead_of_yield = [] {
    while (posix::now() < at) {
    }
    word.store(1, order::release);
  };
  EXPECT_TRUE(wait([] { return posix::wait_while(word, 0u, at); }));
  counted.instead_of_yield = nullptr;
  EXPECT_EQ(of(counted.yields), 1u);
  EXPECT_EQ(of(counted.waits), 0u);
}

TEST_F(wait_cost, does_not_sleep_when_its_deadline_has_passed_in_a_yield) {
  static atomic<uint32_t> never{};
  static uint64_t at;
  at = posix::now() + 2 * ms;
  counted.instead_of_yield = [] {
    while (posix::now() < at) {
    }
  };
  EXPECT_FALSE(wait([] { return posix::wait_while(never, 0u, at); }));
  counted.instead_of_yield = nullptr;
  EXPECT_EQ(of(counted.yields), 1u);
  EXPECT_EQ(of(counted.waits), 0u);
}

TEST_F(wait_cost, of_a_word_that_has_changed_is_nothing) {
  const atomic<uint32_t> changed{1};
  EXPECT_TRUE(wait([&] { return posix::wait_while(changed, 0u, posix::now() + 60'000 * ms); }));
  EXPECT_TRUE(wait([&] { return posix::wait_while(changed, 0u, no_deadline); }));
  EXPECT_EQ(of(counted.waits) + of(counted.yields), 0u);
}

TEST_F(wait_cost, without_a_deadline_is_one_sleep_and_no_yield) {
  static atomic<uint32_t> word{};
  counted.on.store(1, order::release);
  std::thread waiter([] {
    while (word.load(order::acquire) == 0) (void)posix::wait_while(word, 0u, no_deadline);
  });
  EXPECT_TRUE(eventually([] { return of(counted.waits) == 1; }));
  word.store(1, order::release);
  posix::wake(word);
  waiter.join();
  counted.on.store(0, order::release);
  EXPECT_EQ(of(counted.waits), 1u);
  EXPECT_EQ(of(counted.endless_waits), 1u);
  EXPECT_EQ(of(counted.yields), 0u);
  EXPECT_EQ(of(counted.wakes), 1u);
}

TEST_F(wait_cost, a_wake_of_nobody_asks_the_kernel_for_nothing) {
  atomic<uint32_t> word{};
  count_calls_of([&] { posix::wake(word); });
  EXPECT_EQ(of(counted.wakes), 0u);
}

TEST_F(wait_cost, words_of_neighbouring_lines_are_spread_over_the_counts) {
  struct alignas(64) line {
    atomic<uint32_t> word{};
  };
  static line lines[64];
  uint32_t used = 0;
  for (const auto& count : posix_detail::sleepers)
    for (const line& l : lines)
      if (&posix_detail::sleepers_near(l.word) == &count.threads) {
        ++used;
        break;
      }
  EXPECT_GE(used, 32u);
}

}  // namespace
}  // namespace wait_cost_test
