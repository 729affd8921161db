// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <gtest/gtest.h>

#include <sys/user.h>

#include <cstring>

#include "privileged.hpp"

// A caller whose registers are known: rbx, rbp and r12 to r15 as loaded here, rip and rsp as noted here.
extern "C" {
void capture_with_known_registers(lastcpu::x86::registers*) noexcept;
extern char capture_returns_here[];
uint64_t stack_at_the_call = 0;
uint64_t flags_at_the_call = 0;
}
asm(".pushsection .text\n"
    "capture_with_known_registers:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\tsubq $8, %rsp\n\t"
    "movl $0x1b, %ebx\n\tmovl $0x1c, %ebp\n\tmovl $0x12, %r12d\n\tmovl $0x13, %r13d\n\tmovl $0x14, %r14d\n\t"
    "movl $0x15, %r15d\n\tmovl $0x0a, %eax\n\tmovl $0x0c, %ecx\n\tmovl $0x0d, %edx\n\tmovl $0x05, %esi\n\t"
    "movl $0x08, %r8d\n\tmovl $0x09, %r9d\n\tmovl $0x10, %r10d\n\tmovl $0x11, %r11d\n\t"
    "movq %rsp, stack_at_the_call(%rip)\n\tpushfq\n\tpopq flags_at_the_call(%rip)\n\t"
    "call capture_trampoline\n"
    "capture_returns_here:\n\t"
    "addq $8, %rsp\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n"
    "capture_trampoline:\n\t"
    "jmp *capture_address(%rip)\n\t"
    ".popsection");
extern "C" {
void (*capture_address)(lastcpu::x86::registers&) noexcept = &lastcpu::x86::capture;
}

namespace registers_test {
namespace {

using lastcpu::x86::registers;

TEST(registers, lie_as_in_a_prstatus_note) {
#define LASTCPU_SAME_PLACE(mine, theirs) \
  EXPECT_EQ(offsetof(registers, mine), offsetof(user_regs_struct, theirs)) << #mine
  LASTCPU_SAME_PLACE(r15, r15);
  LASTCPU_SAME_PLACE(r14, r14);
  LASTCPU_SAME_PLACE(r13, r13);
  LASTCPU_SAME_PLACE(r12, r12);
  LASTCPU_SAME_PLACE(rbp, rbp);
  LASTCPU_SAME_PLACE(rbx, rbx);
  LASTCPU_SAME_PLACE(r11, r11);
  LASTCPU_SAME_PLACE(r10, r10);
  LASTCPU_SAME_PLACE(r9, r9);
  LASTCPU_SAME_PLACE(r8, r8);
  LASTCPU_SAME_PLACE(rax, rax);
  LASTCPU_SAME_PLACE(rcx, rcx);
  LASTCPU_SAME_PLACE(rdx, rdx);
  LASTCPU_SAME_PLACE(rsi, rsi);
  LASTCPU_SAME_PLACE(rdi, rdi);
  LASTCPU_SAME_PLACE(error_code, orig_rax);
  LASTCPU_SAME_PLACE(rip, rip);
  LASTCPU_SAME_PLACE(cs, cs);
  LASTCPU_SAME_PLACE(rflags, eflags);
  LASTCPU_SAME_PLACE(rsp, rsp);
  LASTCPU_SAME_PLACE(ss, ss);
#undef LASTCPU_SAME_PLACE
}

TEST(capture, saves_every_register_of_the_caller) {
  registers r;
  std::memset(&r, 0xee, sizeof r);
  capture_with_known_registers(&r);
  EXPECT_EQ(r.rbx, 0x1bu);
  EXPECT_EQ(r.rbp, 0x1cu);
  EXPECT_EQ(r.r12, 0x12u);
  EXPECT_EQ(r.r13, 0x13u);
  EXPECT_EQ(r.r14, 0x14u);
  EXPECT_EQ(r.r15, 0x15u);
  EXPECT_EQ(r.rax, 0x0au);
  EXPECT_EQ(r.rcx, 0x0cu);
  EXPECT_EQ(r.rdx, 0x0du);
  EXPECT_EQ(r.rsi, 0x05u);
  EXPECT_EQ(r.rdi, reinterpret_cast<uint64_t>(&r));
  EXPECT_EQ(r.r8, 0x08u);
  EXPECT_EQ(r.r9, 0x09u);
  EXPECT_EQ(r.r10, 0x10u);
  EXPECT_EQ(r.r11, 0x11u);
  EXPECT_EQ(r.error_code, 0u);
  EXPECT_EQ(r.rip, reinterpret_cast<uint64_t>(capture_returns_here));
  EXPECT_EQ(r.rsp, stack_at_the_call);
  EXPECT_EQ(r.rflags, flags_at_the_call);
  EXPECT_EQ(r.cs, 0x33u) << "of a 64-bit Linux process";
  EXPECT_EQ(r.ss, 0x2bu);
}

struct frame {
  const frame* caller;
  uintptr_t returns_to;
};

[[gnu::noinline]] void expect_a_walkable_frame() {
  registers r;
  lastcpu::x86::capture(r);
  EXPECT_EQ(r.rbp, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
  EXPECT_LE(r.rsp, r.rbp);
  EXPECT_EQ(reinterpret_cast<const frame*>(r.rbp)->returns_to,
            reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}

TEST(capture, leaves_a_frame_to_walk_on_from) {
  expect_a_walkable_frame();
}

using namespace lastcpu::x86;

class emulated_instructions : public testing::Test {
 protected:
  emulated_instructions() { privileged::begin(); }
  ~emulated_instructions() override { std::signal(SIGSEGV, SIG_DFL), std::signal(SIGILL, SIG_DFL); }
};

TEST_F(emulated_instructions, ports_are_read_and_written_at_their_width) {
  privileged::port_answer = 0x8765'4321;
  EXPECT_EQ(in8(0x64), 0x21);
  EXPECT_EQ(in16(0x1f0), 0x4321);
  EXPECT_EQ(in32(0xcfc), 0x8765'4321u);
  out8(0xcf9, 0x06);
  out16(0x604, 0x2000);
  out32(0xcf8, 0x8000'0010);
  EXPECT_EQ(privileged::take(),
            (lines{"in8 64", "in16 1f0", "in32 cfc", "out8 cf9 6", "out16 604 2000", "out32 cf8 80000010"}));
}

TEST_F(emulated_instructions, msrs_are_two_halves) {
  privileged::other_msrs = 0x1234'5678'9abc'def0;
  EXPECT_EQ(rdmsr(0xc000'0080), 0x1234'5678'9abc'def0u);
  wrmsr(0x830, 0x0000'012c'8000'4400);
  EXPECT_EQ(privileged::take(), (lines{"rdmsr c0000080", "wrmsr 830 12c80004400"}));
}

TEST_F(emulated_instructions, control_registers_are_the_right_ones) {
  privileged::cr2 = 22, privileged::cr3 = 33, privileged::cr4 = 44;
  EXPECT_EQ(read_cr2(), 22u);
  EXPECT_EQ(read_cr3(), 33u);
  EXPECT_EQ(read_cr4(), 44u);
  write_cr3(0x1000);
  write_cr4(0x6f0);
  EXPECT_EQ(privileged::take(), (lines{"write_cr 3 1000", "write_cr 4 6f0"}));
}

TEST_F(emulated_instructions, the_others_are_what_they_are_called) {
  cli();
  sti();
  privileged::halts_to_go = 1;
  halt();
  int word = 0;
  monitor(&word);
  mwait();
  vmxoff();
  stgi();
  lines expected = {"cli", "sti", "hlt", "", "mwait", "vmxoff", "stgi"};
  std::ostringstream armed;
  armed << "monitor " << std::hex << reinterpret_cast<uintptr_t>(&word);
  expected[3] = armed.str();
  EXPECT_EQ(privileged::take(), expected);
}

TEST_F(emulated_instructions, flags_time_and_identity_can_be_read) {
  EXPECT_NE(read_flags() & flag_interrupts, 0u) << "a process runs with interrupts on";
  const uint64_t before = rdtsc();
  EXPECT_GT(rdtsc(), before);
  const cpuid_result vendor = cpuid(0);
  EXPECT_GE(vendor.eax, 1u);
  EXPECT_NE(vendor.ebx, 0u);
}

}  // namespace
}  // namespace registers_test
