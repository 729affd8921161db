// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic_message.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace panic_message_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using enum panic_context;

// The moment of keep() at which all is written but the ready mark.
constexpr uint32_t before_the_mark = 2;

struct panic_message : testing::Test {
  fake_machine m;
  panic_messages<fake_platform, 16> messages;

  [[nodiscard]] std::string text(cpu_id cpu, panic_context c) const { return messages.text(cpu, c, false); }
};

TEST_F(panic_message, there_is_none_at_first) {
  for (cpu_id cpu = 0; cpu <= fake_platform::max_cpus; ++cpu)
    for (const panic_context c : {normal, nmi, nested}) {
      EXPECT_EQ(messages.state(cpu, c), message_state::none);
      EXPECT_STREQ(messages.text(cpu, c, false), "");
      EXPECT_STREQ(messages.text(cpu, c, true), "");
    }
}

TEST_F(panic_message, first_one_is_kept_whole) {
  EXPECT_TRUE(messages.keep(1, normal, "oh no"));
  EXPECT_EQ(messages.state(1, normal), message_state::ready);
  EXPECT_EQ(text(1, normal), "oh no");
}

TEST_F(panic_message, second_one_is_refused_and_the_first_stays) {
  ASSERT_TRUE(messages.keep(1, normal, "first"));
  EXPECT_FALSE(messages.keep(1, normal, "second, longer"));
  EXPECT_EQ(text(1, normal), "first");
}

TEST_F(panic_message, each_cpu_and_context_has_its_own) {
  for (cpu_id cpu = 0; cpu <= fake_platform::max_cpus; ++cpu)
    for (const panic_context c : {normal, nmi, nested})
      EXPECT_TRUE(messages.keep(cpu, c, (std::to_string(cpu) + "/" + std::to_string(int(c))).c_str()));
  for (cpu_id cpu = 0; cpu <= fake_platform::max_cpus; ++cpu)
    for (const panic_context c : {normal, nmi, nested})
      EXPECT_EQ(text(cpu, c), std::to_string(cpu) + "/" + std::to_string(int(c)));
}

TEST_F(panic_message, longest_text_that_fits_is_whole) {
  ASSERT_TRUE(messages.keep(0, normal, "123456789abcdef"));
  EXPECT_EQ(text(0, normal), "123456789abcdef");
}

TEST_F(panic_message, text_that_is_too_long_is_cut_and_has_its_end) {
  ASSERT_TRUE(messages.keep(0, normal, "123456789abcdefg and so on"));
  ASSERT_TRUE(messages.keep(0, nmi, "next"));
  EXPECT_EQ(text(0, normal), "123456789abcdef");
  EXPECT_EQ(text(0, nmi), "next");
}

TEST_F(panic_message, null_says_that_there_was_none) {
  EXPECT_TRUE(messages.keep(0, normal, nullptr));
  EXPECT_EQ(text(0, normal), "(no message)");
}

TEST_F(panic_message, empty_text_counts_as_one) {
  EXPECT_TRUE(messages.keep(0, normal, ""));
  EXPECT_EQ(messages.state(0, normal), message_state::ready);
  EXPECT_FALSE(messages.keep(0, normal, "late"));
  EXPECT_EQ(text(0, normal), "");
}

TEST_F(panic_message, writing_that_breaks_off_keeps_what_there_is_marked) {
  m.inject(1, before_the_mark, [] { fake_platform::park(); });
  EXPECT_EQ(m.as(1, [&] { (void)messages.keep(1, normal, "cut short"); }), ending::parked);
  EXPECT_EQ(messages.state(1, normal), message_state::writing);
  EXPECT_STREQ(messages.text(1, normal, false), "(being written)");
  EXPECT_STREQ(messages.text(1, normal, true), "cut short");
  EXPECT_FALSE(messages.keep(1, normal, "again"));
  EXPECT_TRUE(messages.keep(1, nested, "again"));
}

TEST_F(panic_message, text_is_published_with_release_and_read_with_acquire) {
  ASSERT_TRUE(messages.keep(0, normal, "x"));
  EXPECT_EQ(m.accesses.back().what, word_access::store);
  EXPECT_EQ(m.accesses.back().how, order::release);
  (void)messages.state(0, normal);
  EXPECT_EQ(m.accesses.back().how, order::acquire);
}

TEST_F(panic_message, number_beyond_all_cpus_has_none_and_keeps_none) {
  for (const cpu_id cpu : {fake_platform::max_cpus + 1, no_cpu}) {
    EXPECT_FALSE(messages.keep(cpu, normal, "x"));
    EXPECT_EQ(messages.state(cpu, normal), message_state::none);
    EXPECT_STREQ(messages.text(cpu, normal, true), "");
  }
}

}  // namespace
}  // namespace panic_message_test
