// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/frame.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace frame_test {
namespace {

// A kernel's own: another order, other names, other types.
struct trap_frame {
  unsigned long long rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
  uint32_t vector, error;
  struct {
    uint64_t ip, cs, flags, sp, ss;
  } pushed;
};
LASTCPU_X86_FRAME(trap_frame, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, pushed.ip,
                  pushed.cs, pushed.flags, pushed.sp, pushed.ss);

TEST(x86_frame, each_member_becomes_the_register_of_its_name) {
  const trap_frame f = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99, 16, {17, 18, 19, 20, 21}};
  const lastcpu::x86::registers r = to_registers(f);
  EXPECT_EQ(r.rax, 1u);
  EXPECT_EQ(r.rbx, 2u);
  EXPECT_EQ(r.rcx, 3u);
  EXPECT_EQ(r.rdx, 4u);
  EXPECT_EQ(r.rsi, 5u);
  EXPECT_EQ(r.rdi, 6u);
  EXPECT_EQ(r.rbp, 7u);
  EXPECT_EQ(r.r8, 8u);
  EXPECT_EQ(r.r9, 9u);
  EXPECT_EQ(r.r10, 10u);
  EXPECT_EQ(r.r11, 11u);
  EXPECT_EQ(r.r12, 12u);
  EXPECT_EQ(r.r13, 13u);
  EXPECT_EQ(r.r14, 14u);
  EXPECT_EQ(r.r15, 15u);
  EXPECT_EQ(r.error_code, 16u);
  EXPECT_EQ(r.rip, 17u);
  EXPECT_EQ(r.cs, 18u);
  EXPECT_EQ(r.rflags, 19u);
  EXPECT_EQ(r.rsp, 20u);
  EXPECT_EQ(r.ss, 21u);
}

TEST(for_each_register, names_every_register_once_with_its_value) {
  lastcpu::x86::registers r{};
  uint64_t words[sizeof r / 8];
  for (uint64_t i = 0; i < sizeof r / 8; ++i) words[i] = 100 + i;
  std::memcpy(&r, words, sizeof r);
  std::vector<std::pair<std::string, uint64_t>> all;
  for_each_register(r, [&all](const char* name, uint64_t value) { all.emplace_back(name, value); });
  const std::vector<std::pair<std::string, uint64_t>> expected = {
      {"rip", 116}, {"rsp", 119}, {"rbp", 104}, {"rflags", 118}, {"rax", 110}, {"rbx", 105}, {"rcx", 111},
      {"rdx", 112}, {"rsi", 113}, {"rdi", 114}, {"r8", 109},     {"r9", 108},  {"r10", 107}, {"r11", 106},
      {"r12", 103}, {"r13", 102}, {"r14", 101}, {"r15", 100},    {"cs", 117},  {"ss", 120},  {"error", 115}};
  EXPECT_EQ(all, expected);
}

}  // namespace
}  // namespace frame_test
