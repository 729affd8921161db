// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/locked_atomic.hpp>

#include <lastcpu/panic_cpu.hpp>

#include <gtest/gtest.h>

#include "support/fake_spinlock.hpp"

namespace locked_atomic_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

using word = locked_atomic<uint32_t, fake_spinlock>;
static_assert(sizeof(word) == sizeof(uint32_t));
constinit word in_bss;

TEST(locked_atomic, does_what_an_atomic_does) {
  word w(7);
  EXPECT_EQ(w.load(order::relaxed), 7u);
  w.store(8, order::relaxed);
  uint32_t expected = 7;
  EXPECT_FALSE(w.compare_exchange(expected, 9, order::acquire, order::relaxed));
  EXPECT_EQ(expected, 8u);
  EXPECT_EQ(w.load(order::acquire), 8u);
  EXPECT_TRUE(w.compare_exchange(expected, 9, order::acquire, order::relaxed));
  EXPECT_EQ(w.fetch_add(2, order::relaxed), 9u);
  EXPECT_EQ(w.load(order::acquire), 11u);
  EXPECT_EQ(in_bss.load(order::relaxed), 0u);
}

TEST(locked_atomic, leaves_the_lock_free_and_interrupts_as_they_were) {
  word w;
  for (const bool off : {false, true}) {
    fake_spinlock::irqs_off = off;
    uint32_t expected = 1;
    (void)w.compare_exchange(expected, 2, order::acquire, order::acquire);
    w.store(1, order::release);
    EXPECT_EQ(fake_spinlock::hardware.word.load(order::relaxed), 0u);
    EXPECT_EQ(fake_spinlock::irqs_off, off);
  }
  fake_spinlock::irqs_off = false;
}

TEST(locked_atomic, takes_the_lock_for_each_change_once) {
  word w;
  uint32_t expected = 0;
  const uint32_t before = fake_spinlock::taken;
  w.store(1, order::release);
  EXPECT_EQ(fake_spinlock::taken, before + 1);
  (void)w.compare_exchange(expected, 2, order::acquire, order::acquire);
  EXPECT_EQ(fake_spinlock::taken, before + 2);
  (void)w.fetch_add(1, order::relaxed);
  EXPECT_EQ(fake_spinlock::taken, before + 3);
}

TEST(locked_atomic, is_loaded_without_the_lock) {
  word w(3);
  ASSERT_NE(fake_spinlock::hardware.read(), 0u);
  EXPECT_EQ(w.load(order::acquire), 3u);
  fake_spinlock::hardware.write();
}

TEST(locked_atomic, makes_a_gate) {
  panic_cpu<locked_port> gate;
  EXPECT_TRUE(gate.claim(hold::final).won());
  EXPECT_TRUE(gate.on_this_cpu());
  EXPECT_EQ(gate.claim(hold::final).outcome, claim_outcome::mine_already);
}

}  // namespace
}  // namespace locked_atomic_test
