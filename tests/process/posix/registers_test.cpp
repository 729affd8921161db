// SPDX-License-Identifier: BSL-1.0
#include "faults.hpp"

#include <lastcpu/platform/posix/registers.hpp>

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <utility>

// Callee-saved registers get known values, then comes the instruction or call that is to be seen; both go on behind it.
asm(R"(
.text
.macro set_known_registers
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  movq %rsp, (%rsi)
  movq $0x1001, %rbx
  movq $0x1006, %rbp
  movq $0x1012, %r12
  movq $0x1013, %r13
  movq $0x1014, %r14
  movq $0x1015, %r15
.endm
.macro restore_known_registers
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
.endm
.globl lastcpu_test_interrupted, lastcpu_test_interrupted_at, lastcpu_test_calls, lastcpu_test_called_at
.type lastcpu_test_interrupted, @function
lastcpu_test_interrupted:
  set_known_registers
lastcpu_test_interrupted_at:
  ud2
  restore_known_registers
.type lastcpu_test_calls, @function
lastcpu_test_calls:
  set_known_registers
  call *%rdx
lastcpu_test_called_at:
  restore_known_registers
)");

extern "C" {
void lastcpu_test_interrupted(void* unused, uint64_t* sp) noexcept;
void lastcpu_test_calls(lastcpu::posix_registers& r, uint64_t* sp,
                        void (*callee)(lastcpu::posix_registers&) noexcept) noexcept;
extern const char lastcpu_test_interrupted_at[];
extern const char lastcpu_test_called_at[];
}

namespace registers_test {
namespace {

using lastcpu::posix_registers;
using posix_test::address_of;

posix_registers seen{};

void note_and_skip_ud2(int, siginfo_t*, void* context) {
  seen = lastcpu::registers_from(context);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += 2;
}

void expect_known_registers(const posix_registers& r, uint64_t sp) {
  EXPECT_EQ(r.general[1], 0x1001u) << "rbx";
  EXPECT_EQ(r.general[12], 0x1012u) << "r12";
  EXPECT_EQ(r.general[13], 0x1013u) << "r13";
  EXPECT_EQ(r.general[14], 0x1014u) << "r14";
  EXPECT_EQ(r.general[15], 0x1015u) << "r15";
  EXPECT_EQ(r.fp, 0x1006u) << "the caller's frame pointer";
  EXPECT_EQ(r.general[6], 0x1006u) << "rbp";
  EXPECT_EQ(r.sp, sp) << "the caller's stack pointer";
  EXPECT_EQ(r.general[7], sp) << "rsp";
}

TEST(registers, a_signal_context_gives_those_of_the_interrupted_instruction) {
  struct sigaction act {};
  struct sigaction before {};
  act.sa_sigaction = note_and_skip_ud2;
  act.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGILL, &act, &before), 0);
  uint64_t sp = 0;
  lastcpu_test_interrupted(nullptr, &sp);
  sigaction(SIGILL, &before, nullptr);
  EXPECT_EQ(seen.pc, address_of(lastcpu_test_interrupted_at));
  expect_known_registers(seen, sp);
}

TEST(registers, a_signal_context_gives_each_under_its_name) {
  ucontext_t context{};
  for (int i = 0; i < NGREG; ++i) context.uc_mcontext.gregs[i] = 1000 + i;
  const posix_registers r = lastcpu::registers_from(&context);
  const std::pair<const char*, int> places[] = {{"rax", REG_RAX}, {"rbx", REG_RBX}, {"rcx", REG_RCX}, {"rdx", REG_RDX},
                                                {"rsi", REG_RSI}, {"rdi", REG_RDI}, {"rbp", REG_RBP}, {"rsp", REG_RSP},
                                                {"r8", REG_R8},   {"r9", REG_R9},   {"r10", REG_R10}, {"r11", REG_R11},
                                                {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14}, {"r15", REG_R15}};
  for (uint32_t i = 0; i < 16; ++i) {
    EXPECT_STREQ(lastcpu::posix_register_name(i), places[i].first);
    EXPECT_EQ(r.general[i], 1000u + static_cast<uint64_t>(places[i].second)) << places[i].first;
  }
  EXPECT_EQ(r.pc, 1000u + REG_RIP);
  EXPECT_EQ(r.sp, 1000u + REG_RSP);
  EXPECT_EQ(r.fp, 1000u + REG_RBP);
  EXPECT_EQ(r.flags, 1000u + REG_EFL);
}

TEST(registers, that_a_call_clobbers_are_left_zero_by_it) {
  posix_registers r;
  for (uint64_t& v : r.general) v = 0xeeee;
  r.flags = 0xeeee;
  uint64_t sp = 0;
  lastcpu_test_calls(r, &sp, lastcpu::capture_caller_registers);
  for (const uint32_t i : {0u, 2u, 3u, 4u, 5u, 8u, 9u, 10u, 11u})
    EXPECT_EQ(r.general[i], 0u) << lastcpu::posix_register_name(i);
  EXPECT_EQ(r.flags, 0u);
}

TEST(registers, a_call_captures_its_caller_whole_so_that_a_debugger_can_unwind) {
  posix_registers r{};
  uint64_t sp = 0;
  lastcpu_test_calls(r, &sp, lastcpu::capture_caller_registers);
  EXPECT_EQ(r.pc, address_of(lastcpu_test_called_at));
  expect_known_registers(r, sp);
}

TEST(registers, a_captured_program_counter_is_inside_the_caller) {
  posix_registers r{};
  lastcpu::capture_caller_registers(r);
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  EXPECT_LT(r.sp, here + 4096);
  EXPECT_GT(r.sp, here - 64 * 1024);
  EXPECT_NE(r.pc, 0u);
}

TEST(registers, every_value_has_a_name_and_a_number_beyond_them_has_none) {
  EXPECT_EQ(posix_registers::general_count, 16u);
  EXPECT_STREQ(lastcpu::posix_register_name(0), "rax");
  EXPECT_STREQ(lastcpu::posix_register_name(1), "rbx");
  EXPECT_STREQ(lastcpu::posix_register_name(7), "rsp");
  EXPECT_STREQ(lastcpu::posix_register_name(15), "r15");
  EXPECT_STREQ(lastcpu::posix_register_name(16), "?");
  EXPECT_STREQ(lastcpu::posix_register_name(~0u), "?");
}

}  // namespace
}  // namespace registers_test
