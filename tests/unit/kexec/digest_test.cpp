// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/digest.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace digest_test {
namespace {

using lastcpu::kexec::digest_value;
using lastcpu::kexec::xxh64;

std::vector<unsigned char> random_bytes(size_t n) {
  std::mt19937_64 random(n);
  std::vector<unsigned char> v(n);
  for (unsigned char& b : v) b = static_cast<unsigned char>(random());
  return v;
}

uint64_t of(const unsigned char* data, size_t n) {
  xxh64 h;
  h.add(data, n);
  return h.value();
}

TEST(xxh64, agrees_with_libxxhash_on_every_short_length) {
  const auto data = random_bytes(301);
  for (size_t n = 0; n <= 300; ++n) EXPECT_EQ(of(data.data(), n), XXH64(data.data(), n, 0)) << n;
}

TEST(xxh64, agrees_with_libxxhash_on_unaligned_data) {
  const auto data = random_bytes(400);
  for (size_t from = 0; from < 40; ++from) EXPECT_EQ(of(&data[from], 301), XXH64(&data[from], 301, 0)) << from;
}

TEST(xxh64, agrees_with_libxxhash_on_large_data) {
  for (const size_t n : {4095u, 65536u, 1'000'003u, 8u << 20}) {
    const auto data = random_bytes(n);
    EXPECT_EQ(of(data.data(), n), XXH64(data.data(), n, 0)) << n;
  }
}

TEST(xxh64, does_not_mind_how_the_data_is_cut) {
  const auto data = random_bytes(1000);
  std::mt19937 random(1);
  for (int trial = 0; trial < 500; ++trial) {
    xxh64 h;
    for (size_t at = 0; at < data.size();) {
      const size_t n = std::min<size_t>(data.size() - at, random() % 80);
      h.add(&data[at], n);
      at += n;
    }
    ASSERT_EQ(h.value(), XXH64(data.data(), data.size(), 0)) << trial;
  }
}

TEST(xxh64, may_be_asked_in_between) {
  const auto data = random_bytes(100);
  xxh64 h;
  h.add(data.data(), 50);
  EXPECT_EQ(h.value(), XXH64(data.data(), 50, 0));
  h.add(data.data() + 50, 50);
  EXPECT_EQ(h.finish(), (digest_value{{XXH64(data.data(), 100, 0), 0, 0, 0}}));
}

TEST(digest_value, differs_when_any_word_does) {
  const digest_value a{{1, 2, 3, 4}};
  EXPECT_EQ(a, a);
  for (int i = 0; i < 4; ++i) {
    digest_value b = a;
    b.words[i] ^= uint64_t{1} << 63;
    EXPECT_FALSE(a == b) << i;
  }
}

}  // namespace
}  // namespace digest_test
