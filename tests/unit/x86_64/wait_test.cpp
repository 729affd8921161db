// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/wait.hpp>

#include <gtest/gtest.h>

#include "access_log.hpp"

namespace wait_test {
namespace {

using namespace lastcpu;

struct waiting_machine {
  static inline access_log log;
  static inline atomic<uint32_t>* changes_when_armed = nullptr;
  static inline uint64_t clock = 0;
  static void pause() noexcept { log.add("pause"); }
  static inline const volatile void* monitored = nullptr;
  static void monitor(const volatile void* address) noexcept {
    log.add("monitor");
    monitored = address;
    if (changes_when_armed != nullptr) changes_when_armed->store(1, order::release);
  }
  static void mwait() noexcept { log.add("mwait"); }
  static uint64_t now() noexcept { return clock; }
};

bool wait(atomic<uint32_t>& word, uint64_t at, bool may_sleep) {
  return x86::wait_while<waiting_machine>(word, 0u, at, may_sleep);
}

TEST(wait_while, sleeps_on_the_line_without_a_deadline) {
  atomic<uint32_t> word{0};
  EXPECT_TRUE(wait(word, no_deadline, true));
  EXPECT_EQ(waiting_machine::log.take(), (lines{"monitor", "mwait"}));
}

TEST(wait_while, sleeps_on_the_line_of_the_word) {
  atomic<uint32_t> word{0};
  EXPECT_TRUE(wait(word, no_deadline, true));
  EXPECT_EQ(waiting_machine::monitored, word.address());
  (void)waiting_machine::log.take();
}

TEST(wait_while, does_not_sleep_through_a_change_that_comes_just_before) {
  atomic<uint32_t> word{0};
  waiting_machine::changes_when_armed = &word;
  EXPECT_TRUE(wait(word, no_deadline, true));
  waiting_machine::changes_when_armed = nullptr;
  EXPECT_EQ(waiting_machine::log.take(), lines{"monitor"});
}

TEST(wait_while, polls_where_it_may_not_sleep_and_comes_back_to_be_asked_again) {
  atomic<uint32_t> word{0};
  EXPECT_TRUE(wait(word, no_deadline, false));
  EXPECT_EQ(waiting_machine::log.take().size(), 1000u);
  word.store(1, order::release);
  EXPECT_TRUE(wait(word, no_deadline, false));
  EXPECT_EQ(waiting_machine::log.take(), lines{});
}

TEST(wait_while, ends_at_the_deadline_and_never_sleeps_over_one) {
  atomic<uint32_t> word{0};
  waiting_machine::clock = 99;
  EXPECT_TRUE(wait(word, 100, true));
  waiting_machine::clock = 100;
  EXPECT_FALSE(wait(word, 100, true));
  EXPECT_EQ(waiting_machine::log.take(), (lines{"pause", "pause"}));
}

struct cpuid_machine {
  static inline uint32_t ecx = 0;
  static x86::cpuid_result cpuid(uint32_t leaf) noexcept { return {0, 0, leaf == 1 ? ecx : 0, 0}; }
};

TEST(wait_while, monitor_is_bit_three) {
  cpuid_machine::ecx = 8;
  EXPECT_TRUE(x86::has_monitor<cpuid_machine>());
  cpuid_machine::ecx = ~8u;
  EXPECT_FALSE(x86::has_monitor<cpuid_machine>());
}

TEST(wait_while, hypervisor_is_bit_31) {
  cpuid_machine::ecx = 1u << 31;
  EXPECT_TRUE(x86::in_virtual_machine<cpuid_machine>());
  cpuid_machine::ecx = ~(1u << 31);
  EXPECT_FALSE(x86::in_virtual_machine<cpuid_machine>());
}

}  // namespace
}  // namespace wait_test
