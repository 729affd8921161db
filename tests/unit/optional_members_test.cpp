// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/detail/optional_members.hpp>

#include <gtest/gtest.h>
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_message.hpp>
#include <lastcpu/stop_cpus.hpp>

#include "support/fake_platform.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;

template <cpu_id Limit>
struct limited : fake_platform {
  static cpu_id cpu_limit() noexcept { return Limit; }
};

TEST(optional_members, cpu_limit_is_max_cpus_unless_the_platform_knows_better) {
  EXPECT_EQ(detail::cpu_limit<fake_platform>(), fake_platform::max_cpus);
  EXPECT_EQ(detail::cpu_limit<limited<2>>(), 2u);
}

TEST(optional_members, cpu_limit_beyond_max_cpus_is_max_cpus) {
  EXPECT_EQ(detail::cpu_limit<limited<no_cpu>>(), fake_platform::max_cpus);
}

TEST(optional_members, deadline_is_at_least_that_many_microseconds_ahead_whatever_the_tick_under_way) {
  fake_machine m;
  for (const uint64_t frequency : {1'000'000ull, 3'000'000'000ull, 24'000ull}) {
    m.frequency = frequency;
    EXPECT_EQ(detail::deadline_in<fake_platform>(2'000'000), m.clock + 2 * frequency + 1);
  }
  m.frequency = 2'500'000;
  EXPECT_EQ(detail::deadline_in<fake_platform>(3), m.clock + 8 + 1);
}

TEST(optional_members, deadline_of_an_odd_clock_rounds_up) {
  fake_machine m;
  struct {
    uint64_t frequency;
    uint32_t microseconds;
    uint64_t ticks;
  } const clocks[] = {{32'768, 1'000'000, 32'768},
                      {32'768, 30, 1},
                      {32'768, 31, 2},
                      {1'000, 900, 1},
                      {1'193'182, 1'000, 1'194},
                      {999'999, 1'000'000, 999'999},
                      {1'999'999, 1, 2},
                      {2'000'001, 3, 7},
                      {2'893'437'519, 7, 20'255},
                      {1, 999'999, 1},
                      {1, 1'000'000, 1},
                      {3'000'000'000, ~0u, 12'884'901'885'000}};
  for (const auto& c : clocks) {
    m.frequency = c.frequency;
    EXPECT_EQ(detail::deadline_in<fake_platform>(c.microseconds), m.clock + c.ticks + 1)
        << c.frequency << " Hz, " << c.microseconds << " us";
  }
  EXPECT_EQ(detail::deadline_in<fake_platform>(0), m.clock);
}

TEST(optional_members, division_leaves_out_the_rest) {
  for (const uint64_t n :
       {uint64_t{0}, uint64_t{1}, uint64_t{999'999}, uint64_t{1'000'000}, ~uint64_t{0}, uint64_t{1} << 63})
    for (const uint32_t by : {1u, 3u, 1'000'000u, ~0u}) EXPECT_EQ(detail::divide(n, by), n / by);
}

TEST(optional_members, product_is_of_64_bits) {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{999'999}, ~uint64_t{0}, uint64_t{1} << 63})
    for (const uint32_t by : {0u, 1u, 3u, 1'000'000u, ~0u}) EXPECT_EQ(detail::multiply(n, by), n * by);
}

TEST(optional_members, deadline_that_does_not_fit_is_none) {
  fake_machine m;
  m.clock = no_deadline - 5;
  EXPECT_EQ(detail::deadline_in<fake_platform>(10), no_deadline);
  EXPECT_EQ(detail::deadline_in<fake_platform>(3), no_deadline - 1);
}

TEST(optional_members, registers_are_copied_whole_whatever_their_alignment) {
  struct words {
    uintptr_t a[3];
  };
  struct halves {
    uint16_t a[5];
  };
  const words w{{1, 2, ~uintptr_t{0}}};
  words w2{};
  detail::copy_plain(w2, w);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(w2.a[i], w.a[i]);

  const halves h{{1, 2, 3, 4, 0xffff}};
  halves h2{};
  detail::copy_plain(h2, h);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(h2.a[i], h.a[i]);
}

TEST(optional_members, trace_reaches_a_platform_that_wants_it) {
  fake_machine m;
  detail::trace<fake_platform>(trace_kind::stop_sent, 0, 3);
  EXPECT_EQ(m.log, std::vector<std::string>{"0 asks 3"});
}

// --- The distance of what two CPUs write to.

struct without_a_cache : archetype {
  static constexpr uint32_t cache_line = 1;
};
struct with_long_lines : archetype {
  static constexpr uint32_t cache_line = 128;
};
TEST(cache_line, is_64_unless_the_port_says_otherwise_and_never_too_small_for_what_is_in_it) {
  EXPECT_EQ(lastcpu::detail::cache_line<archetype>(), 64u);
  EXPECT_EQ(lastcpu::detail::cache_line<without_a_cache>(), alignof(uintptr_t));
  EXPECT_EQ(lastcpu::detail::cache_line<with_long_lines>(), 128u);
}
TEST(cache_line, is_how_far_records_and_texts_of_two_cpus_are_apart) {
  EXPECT_EQ(alignof(stop_cpus<archetype>), 64u);
  EXPECT_EQ(alignof(stop_cpus<with_long_lines>), 128u);
  EXPECT_LT(sizeof(stop_cpus<without_a_cache>), sizeof(stop_cpus<archetype>));
  EXPECT_EQ(alignof(panic_messages<with_long_lines, 16>), 128u);
  EXPECT_LT(sizeof(panic_messages<without_a_cache, 32>), sizeof(panic_messages<archetype, 32>));
}

}  // namespace
