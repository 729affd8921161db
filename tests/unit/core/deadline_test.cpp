// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/detail/deadline.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace deadline_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

TEST(deadline, is_at_least_that_many_microseconds_ahead_whatever_the_tick_under_way) {
  fake_machine m;
  for (const uint64_t frequency : {1'000'000ull, 3'000'000'000ull, 24'000ull}) {
    m.frequency = frequency;
    EXPECT_EQ(detail::deadline_in<fake_platform>(2'000'000), m.clock + 2 * frequency + 1);
  }
  m.frequency = 2'500'000;
  EXPECT_EQ(detail::deadline_in<fake_platform>(3), m.clock + 8 + 1);
}

TEST(deadline, of_an_odd_clock_rounds_up) {
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

TEST(deadline, division_leaves_out_the_rest) {
  for (const uint64_t n :
       {uint64_t{0}, uint64_t{1}, uint64_t{999'999}, uint64_t{1'000'000}, ~uint64_t{0}, uint64_t{1} << 63})
    for (const uint32_t by : {1u, 3u, 1'000'000u, ~0u}) EXPECT_EQ(detail::divide(n, by), n / by);
}

TEST(deadline, product_is_of_64_bits) {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{999'999}, ~uint64_t{0}, uint64_t{1} << 63})
    for (const uint32_t by : {0u, 1u, 3u, 1'000'000u, ~0u}) EXPECT_EQ(detail::multiply(n, by), n * by);
}

TEST(deadline, that_does_not_fit_is_none) {
  fake_machine m;
  m.clock = no_deadline - 5;
  EXPECT_EQ(detail::deadline_in<fake_platform>(10), no_deadline);
  EXPECT_EQ(detail::deadline_in<fake_platform>(3), no_deadline - 1);
}

}  // namespace
}  // namespace deadline_test
