// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/detail/copy_plain.hpp>

#include <gtest/gtest.h>

namespace copy_plain_test {
namespace {

using namespace lastcpu;

TEST(copy_plain, registers_are_copied_whole_whatever_their_alignment) {
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

TEST(copy_plain, wiped_data_is_zero_and_its_neighbours_are_not) {
  struct {
    unsigned char before;
    uint16_t data[5];
    unsigned char behind;
  } s{1, {1, 2, 3, 4, 0xffff}, 1};
  detail::wipe_plain(s.data);
  for (const uint16_t v : s.data) EXPECT_EQ(v, 0);
  EXPECT_EQ(s.before + s.behind, 2);
}

}  // namespace
}  // namespace copy_plain_test
