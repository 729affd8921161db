// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/atomic.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>
#include <vector>

namespace atomic_test {
namespace {

using namespace lastcpu;

static_assert(!std::is_copy_constructible_v<lastcpu::atomic<uint32_t>>);
static_assert(!std::is_copy_assignable_v<lastcpu::atomic<uint32_t>>);
static_assert(!std::is_move_constructible_v<lastcpu::atomic<uint32_t>>);
static_assert(sizeof(lastcpu::atomic<uint32_t>) == 4);
static_assert(sizeof(lastcpu::atomic<uintptr_t>) == sizeof(uintptr_t));

template <class T>
class atomic_of : public testing::Test {};
using word_types = testing::Types<uint32_t, uintptr_t, int*>;
TYPED_TEST_SUITE(atomic_of, word_types, );

TYPED_TEST(atomic_of, any_word_type_is_zero_at_first) {
  static constinit lastcpu::atomic<TypeParam> word;
  EXPECT_EQ(word.load(order::relaxed), TypeParam{});
}

TYPED_TEST(atomic_of, any_word_type_keeps_what_was_stored) {
  lastcpu::atomic<TypeParam> word;
  const auto value = (TypeParam)1;
  word.store(value, order::release);
  EXPECT_EQ(word.load(order::acquire), value);
  EXPECT_EQ(*word.address(), value);
}

TEST(atomic, starts_with_the_given_value) {
  const lastcpu::atomic<uint32_t> word{7};
  EXPECT_EQ(word.load(order::relaxed), 7u);
}

TEST(atomic, exchange_from_the_expected_value_succeeds_and_leaves_expected_alone) {
  lastcpu::atomic<uint32_t> word{7};
  uint32_t expected = 7;
  EXPECT_TRUE(word.compare_exchange(expected, 8, order::acq_rel, order::acquire));
  EXPECT_EQ(expected, 7u);
  EXPECT_EQ(word.load(order::relaxed), 8u);
}

TEST(atomic, exchange_from_another_value_changes_nothing_and_says_what_it_saw) {
  lastcpu::atomic<uint32_t> word{7};
  uint32_t expected = 6;
  EXPECT_FALSE(word.compare_exchange(expected, 8, order::acquire, order::acquire));
  EXPECT_EQ(expected, 7u);
  EXPECT_EQ(word.load(order::relaxed), 7u);
}

TEST(atomic, fetch_add_answers_what_was_there_before) {
  lastcpu::atomic<uint32_t> word{7};
  EXPECT_EQ(word.fetch_add(2, order::relaxed), 7u);
  EXPECT_EQ(word.load(order::relaxed), 9u);
}

TEST(atomic, exchanges_of_many_threads_have_one_winner_each_round) {
  constexpr uintptr_t threads = 4;
  constexpr uintptr_t rounds = 2000;
  lastcpu::atomic<uintptr_t> word;
  lastcpu::atomic<uint32_t> wins;
  std::vector<std::thread> all;
  for (uintptr_t t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (uintptr_t round = 0; round < rounds; ++round) {
        uintptr_t seen = round;
        if (word.compare_exchange(seen, round + 1, order::acq_rel, order::acquire)) wins.fetch_add(1, order::relaxed);
      }
    });
  for (std::thread& t : all) t.join();
  EXPECT_EQ(wins.load(order::relaxed), word.load(order::relaxed));
}

}  // namespace
}  // namespace atomic_test
