// SPDX-License-Identifier: BSL-1.0
// A state is known by its hash: small values, which is what there is in a scenario, must not cancel each other out.

#include <lastcpu/model/words.hpp>

#include <gtest/gtest.h>

#include <set>

namespace hashes_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::model;

constexpr uint32_t some = 11;  // words, numbered from 1
constexpr uint32_t everybody = 3;

/// Calls `make(memory, i)` on a memory in which nothing has happened, for each i below n; how many hashes that gives.
template <class Make>
size_t hashes_of(uint32_t n, Make make) {
  words_in_use = some + 1;
  std::set<uint64_t> found;
  for (uint32_t i = 0; i < n; ++i) {
    static memory m;
    m = {};
    make(m, i);
    found.insert(m.hash(everybody));
  }
  words_in_use = 1;
  return found.size();
}

TEST(hashes, of_memories_that_differ_in_values_are_all_different) {
  constexpr uint32_t all = 1u << some;
  EXPECT_EQ(hashes_of(all,
                      [](memory& m, uint32_t i) {
                        for (uint32_t w = 1; w <= some; ++w) m.word[w].value = i >> (w - 1) & 1;
                      }),
            all);
}

TEST(hashes, of_memories_that_differ_in_what_a_cpu_may_still_read_are_all_different) {
  constexpr uint32_t all = 1u << some;
  EXPECT_EQ(hashes_of(all,
                      [](memory& m, uint32_t i) {
                        for (uint32_t w = 1; w <= some; ++w)
                          if ((i >> (w - 1) & 1) != 0) m.write(1, w, 0, order::relaxed, no_store, 0);
                      }),
            all);
}

TEST(hashes, of_memories_that_differ_in_what_a_store_publishes_are_all_different) {
  constexpr uint32_t all = 1u << (some - 1);
  EXPECT_EQ(hashes_of(all,
                      [](memory& m, uint32_t i) {
                        for (uint32_t w = 1; w < some; ++w) m.write(1, w, 0, order::relaxed, no_store, 0);
                        m.write(1, some, 0, order::release, no_store, 0);
                        for (uint32_t w = 1; w < some; ++w)
                          if ((i >> (w - 1) & 1) != 0) m.store[m.word[some].last].published.at[w] = 0;
                      }),
            all);
}

TEST(hashes, of_plain_memories_are_all_different) {
  constexpr uint32_t numbers = 8, all = 6'561;  // three values each
  std::set<uint64_t> found;
  for (uint32_t i = 0; i < all; ++i) {
    uint64_t memory[2 * numbers + 1]{};  // with a rest behind the last four
    for (uint32_t n = 0, rest = i; n < numbers; ++n, rest /= 3) memory[n] = rest % 3;
    found.insert(mix(0, memory, sizeof memory));
  }
  EXPECT_EQ(found.size(), all);
}

}  // namespace
}  // namespace hashes_model
