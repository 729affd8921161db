// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/descriptors.hpp>

#include <gtest/gtest.h>

#include <cstring>

namespace descriptors_test {
namespace {

using namespace lastcpu::x86;

// Fields of a segment descriptor, as the processor's manual numbers its bits.
constexpr uint64_t bits(uint64_t v, unsigned high, unsigned low) {
  return v >> low & ((uint64_t{2} << (high - low)) - 1);
}

void expect_flat(uint64_t d) {
  EXPECT_EQ(bits(d, 15, 0), 0xffffu);  // limit, low
  EXPECT_EQ(bits(d, 51, 48), 0xfu);    // limit, high
  EXPECT_EQ(bits(d, 39, 16), 0u);      // base, low
  EXPECT_EQ(bits(d, 63, 56), 0u);      // base, high
  EXPECT_EQ(bits(d, 55, 55), 1u);      // in pages
  EXPECT_EQ(bits(d, 40, 40), 1u);      // accessed
  EXPECT_EQ(bits(d, 44, 44), 1u);      // code or data
  EXPECT_EQ(bits(d, 46, 45), 0u);      // ring 0
  EXPECT_EQ(bits(d, 47, 47), 1u);      // present
}

TEST(descriptors, code_is_64_bit_readable_ring_0) {
  expect_flat(code64_descriptor);
  EXPECT_EQ(bits(code64_descriptor, 43, 43), 1u);  // executable
  EXPECT_EQ(bits(code64_descriptor, 42, 42), 0u);  // not conforming
  EXPECT_EQ(bits(code64_descriptor, 41, 41), 1u);  // readable
  EXPECT_EQ(bits(code64_descriptor, 53, 53), 1u);  // L
  EXPECT_EQ(bits(code64_descriptor, 54, 54), 0u);  // D must be 0 with L
}

TEST(descriptors, data_is_writable_ring_0) {
  expect_flat(data64_descriptor);
  EXPECT_EQ(bits(data64_descriptor, 43, 43), 0u);  // data
  EXPECT_EQ(bits(data64_descriptor, 42, 42), 0u);  // grows up
  EXPECT_EQ(bits(data64_descriptor, 41, 41), 1u);  // writable
  EXPECT_EQ(bits(data64_descriptor, 53, 53), 0u);  // L is for code
  EXPECT_EQ(bits(data64_descriptor, 54, 54), 1u);  // B
}

TEST(descriptors, gate_holds_every_bit_of_the_handler_where_the_processor_looks) {
  constexpr interrupt_gate gate = interrupt_gate::to(0x1122'3344'5566'7788, 0x0abc);
  static_assert(gate.handler() == 0x1122'3344'5566'7788);
  uint64_t words[2];
  std::memcpy(words, &gate, sizeof words);
  EXPECT_EQ(bits(words[0], 15, 0), 0x7788u);
  EXPECT_EQ(bits(words[0], 31, 16), 0x0abcu);  // selector
  EXPECT_EQ(bits(words[0], 34, 32), 0u);       // IST
  EXPECT_EQ(bits(words[0], 39, 35), 0u);
  EXPECT_EQ(bits(words[0], 43, 40), 14u);  // interrupt gate
  EXPECT_EQ(bits(words[0], 44, 44), 0u);
  EXPECT_EQ(bits(words[0], 46, 45), 0u);  // ring 0
  EXPECT_EQ(bits(words[0], 47, 47), 1u);  // present
  EXPECT_EQ(bits(words[0], 63, 48), 0x5566u);
  EXPECT_EQ(bits(words[1], 31, 0), 0x1122'3344u);
  EXPECT_EQ(bits(words[1], 63, 32), 0u);
}

}  // namespace
}  // namespace descriptors_test
