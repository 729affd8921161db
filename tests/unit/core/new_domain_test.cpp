// SPDX-License-Identifier: BSL-1.0
// A machine as it begins. Nothing of it needs to be set up, it may live in .bss, and memory that is zeroed is a new one:
// posix relies on that in the child of a fork.
#include <algorithm>
#include <cstring>

#include "panicking.hpp"

namespace new_domain_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct in_memory {
  alignas(domain_type) unsigned char bytes[sizeof(domain_type)]{};
  domain_type* it = new (bytes) domain_type;
  [[nodiscard]] bool is_zeros() const {
    return std::all_of(std::begin(bytes), std::end(bytes), [](unsigned char b) { return b == 0; });
  }
};

TEST(new_domain, is_zeros) {
  EXPECT_TRUE(in_memory{}.is_zeros());
}

TEST(new_domain, out_of_zeroed_memory_dies_like_the_first_one) {
  fake_machine m;
  in_memory domain;
  std::vector<std::string> first;
  for (int life = 0; life < 2; ++life) {
    m.log.clear();
    m.is_new_machine();
    ASSERT_EQ(domain.it->image().load(image{7}), load_outcome::loaded);
    EXPECT_EQ(m.as(0, [&] { domain.it->panic("the end", &crash); }), ending::jumped);
    EXPECT_FALSE(domain.is_zeros());
    if (life == 1) {
      EXPECT_EQ(m.log, first);
    }
    first = m.log;
    std::memset(domain.bytes, 0, sizeof domain.bytes);
  }
}

}  // namespace
}  // namespace new_domain_test
