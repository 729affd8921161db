// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/sha256.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace sha256_test {
namespace {

using lastcpu::kexec::digest_value;
using lastcpu::kexec::sha256;

std::string hex(const digest_value& d) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  const auto* bytes = reinterpret_cast<const unsigned char*>(d.words);
  for (size_t i = 0; i < sizeof d.words; ++i) out += {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
  return out;
}

void add(sha256& h, const std::string& text) {
  h.add(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

std::string of(const std::string& text) {
  sha256 h;
  add(h, text);
  return hex(h.finish());
}

// FIPS 180-4's examples and those of NIST's validation suite.
TEST(sha256, agrees_with_the_published_values) {
  EXPECT_EQ(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(of("\xd3"), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
  EXPECT_EQ(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
               "mnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(of(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// The padding's edges: NIST's values for runs of zeros and of one byte.
TEST(sha256, agrees_with_the_published_values_around_a_block) {
  EXPECT_EQ(of(std::string(55, '\0')), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  EXPECT_EQ(of(std::string(56, '\0')), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  EXPECT_EQ(of(std::string(57, '\0')), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
  EXPECT_EQ(of(std::string(64, '\0')), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
  EXPECT_EQ(of(std::string(1000, '\0')), "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53");
  EXPECT_EQ(of(std::string(1000, 'A')), "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4");
  EXPECT_EQ(of(std::string(1005, 'U')), "f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0");
}

TEST(sha256, does_not_mind_how_the_data_is_cut) {
  const std::string text(1000, 'A');
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    sha256 h;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(text.size() - at, random() % 150);
      add(h, text.substr(at, n));
      at += n;
    }
    ASSERT_EQ(hex(h.finish()), "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4") << trial;
  }
}

TEST(sha256, may_be_asked_in_between) {
  sha256 h;
  add(h, "a");
  (void)h.finish();
  add(h, "bc");
  EXPECT_EQ(hex(h.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace sha256_test
