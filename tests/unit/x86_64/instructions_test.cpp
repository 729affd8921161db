// SPDX-License-Identifier: BSL-1.0
// Each instruction is the one of its name, and holds the compiler to the order that is written.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include <gtest/gtest.h>

#include "machine_code.hpp"
#include "privileged.hpp"

uint32_t shared_word = 0;  // for all the compiler knows, an instruction changes it

namespace instructions_test {
namespace {

using namespace lastcpu::x86;

class instructions : public testing::Test {
 protected:
  instructions() { privileged::begin(); }
  ~instructions() override {
    for (const int s : {SIGSEGV, SIGILL, SIGTRAP}) std::signal(s, SIG_DFL);
  }
};

TEST_F(instructions, control_and_debug_registers_have_their_numbers) {
  privileged::cr0 = 0x8001'0033;
  privileged::cr8 = 9;
  EXPECT_EQ(read_cr0(), 0x8001'0033u);
  EXPECT_EQ(read_cr8(), 9u);
  write_cr0(0x11);
  write_cr8(15);
  write_dr7(0x402);
  EXPECT_EQ(privileged::take(), (lines{"write_cr 0 11", "write_cr 8 f", "write_dr 7 402"}));
}

// Functions of their own: what is inlined into them whatever the optimisation.
void only_sti_halt() {
  sti_halt();
}
void only_pause() {
  lastcpu::x86::pause();
}
void only_mfence() {
  mfence();
}
void only_lfence() {
  lfence();
}

TEST_F(instructions, sti_halt_has_nothing_between_the_two) {
  privileged::halts_to_go = 1;
  sti_halt();
  EXPECT_EQ(privileged::take(), (lines{"sti", "hlt"}));
  EXPECT_TRUE(machine_code(only_sti_halt).has({0xfb, 0xf4})) << "an interrupt that is pending ends the hlt";
}

[[gnu::noinline]] void load_tables(const pseudo_descriptor& gdt, const pseudo_descriptor& idt) {
  lgdt(gdt);
  lidt(idt);
}
[[gnu::noinline]] void forget(const void* page) {
  invlpg(page);
}

TEST_F(instructions, tables_and_pages_are_named_to_the_machine) {
  load_tables({0x37, 0xffff'8000'1234'5678}, {0xfff, 0xffff'8000'8765'4321});
  ltr(0x28);
  forget(reinterpret_cast<const void*>(0x7000));
  EXPECT_EQ(privileged::take(),
            (lines{"lgdt 37 ffff800012345678", "lidt fff ffff800087654321", "ltr 28", "invlpg 7000"}));
}

TEST_F(instructions, sgdt_tells_what_the_machine_tells) {
  pseudo_descriptor expected{0, 0};
  asm volatile("sgdt %0" : "=m"(expected));
  const pseudo_descriptor found = sgdt();
  EXPECT_EQ(+found.limit, +expected.limit);
  EXPECT_EQ(+found.base, +expected.base);
}

TEST_F(instructions, msrs_are_written_in_two_halves_of_32_bits) {
  for (uint32_t bit = 0; bit < 64; ++bit) {
    wrmsr(0xc000'0080, uint64_t{1} << bit);
    std::ostringstream expected;
    expected << "wrmsr c0000080 " << std::hex << (uint64_t{1} << bit);
    EXPECT_EQ(privileged::take(), lines{expected.str()});
    privileged::other_msrs = uint64_t{1} << bit;
    EXPECT_EQ(rdmsr(0xc000'0080), uint64_t{1} << bit);
    (void)privileged::take();
  }
}

TEST_F(instructions, those_that_no_program_can_see_are_in_the_code) {
  EXPECT_TRUE(machine_code(only_pause).has({0xf3, 0x90}));
  EXPECT_TRUE(machine_code(only_mfence).has({0x0f, 0xae, 0xf0}));
  EXPECT_TRUE(machine_code(only_lfence).has({0x0f, 0xae, 0xe8}));
  breakpoint();
  EXPECT_EQ(privileged::take(), lines{"int3"});
}

TEST_F(instructions, cpuid_asks_for_leaf_and_subleaf) {
  uint32_t eax = 4, ebx = 0, ecx = 1, edx = 0;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  const cpuid_result found = cpuid(4, 1);
  EXPECT_EQ(found.eax, eax);
  EXPECT_EQ(found.ebx, ebx);
  EXPECT_EQ(found.ecx, ecx);
  EXPECT_EQ(found.edx, edx);
  eax = 7, ecx = 0;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  EXPECT_EQ(cpuid(7).ebx, ebx) << "subleaf 0, unless another is asked for";
}

TEST_F(instructions, flags_are_read_above_the_red_zone_of_a_leaf_function) {
  uint64_t carry_set = 0, carry_clear = 0;
  asm volatile("stc");
  carry_set = read_flags();
  asm volatile("clc");
  carry_clear = read_flags();
  EXPECT_EQ((carry_set | carry_clear) & 2, 2u) << "bit 1 is always set";
  EXPECT_EQ(flag_interrupts, 0x200u);
}

// Where the compiler may believe that a word is as it was before the instruction, it knows the word's value behind it.
#define LASTCPU_EXPECT_BARRIER(instruction)                          \
  do {                                                               \
    shared_word = 1;                                                 \
    instruction;                                                     \
    EXPECT_FALSE(__builtin_constant_p(shared_word)) << #instruction; \
  } while (false)

TEST_F(instructions, ports_and_registers_of_the_machine_are_barriers_for_the_compiler) {
  LASTCPU_EXPECT_BARRIER((void)in8(0x64));
  LASTCPU_EXPECT_BARRIER((void)in16(0x64));
  LASTCPU_EXPECT_BARRIER((void)in32(0x64));
  LASTCPU_EXPECT_BARRIER(out8(0x64, 1));
  LASTCPU_EXPECT_BARRIER(out16(0x64, 1));
  LASTCPU_EXPECT_BARRIER(out32(0x64, 1));
  LASTCPU_EXPECT_BARRIER((void)rdmsr(1));
  LASTCPU_EXPECT_BARRIER(wrmsr(1, 1));
  LASTCPU_EXPECT_BARRIER((void)read_cr0());
  LASTCPU_EXPECT_BARRIER((void)read_cr2());
  LASTCPU_EXPECT_BARRIER((void)read_cr3());
  LASTCPU_EXPECT_BARRIER((void)read_cr4());
  LASTCPU_EXPECT_BARRIER((void)read_cr8());
  LASTCPU_EXPECT_BARRIER(write_cr0(1));
  LASTCPU_EXPECT_BARRIER(write_cr3(1));
  LASTCPU_EXPECT_BARRIER(write_cr4(1));
  LASTCPU_EXPECT_BARRIER(write_cr8(1));
  LASTCPU_EXPECT_BARRIER(write_dr7(1));
  LASTCPU_EXPECT_BARRIER((void)read_flags());
  LASTCPU_EXPECT_BARRIER((void)cpuid(1));
}

TEST_F(instructions, interrupts_waits_and_fences_are_barriers_for_the_compiler) {
  privileged::halts_to_go = 2;
  LASTCPU_EXPECT_BARRIER(cli());
  LASTCPU_EXPECT_BARRIER(sti());
  LASTCPU_EXPECT_BARRIER(halt());
  LASTCPU_EXPECT_BARRIER(sti_halt());
  LASTCPU_EXPECT_BARRIER(lastcpu::x86::pause());
  LASTCPU_EXPECT_BARRIER(breakpoint());
  LASTCPU_EXPECT_BARRIER(monitor(reinterpret_cast<void*>(0x1000)));
  LASTCPU_EXPECT_BARRIER(mwait());
  LASTCPU_EXPECT_BARRIER(mfence());
  LASTCPU_EXPECT_BARRIER(lfence());
  LASTCPU_EXPECT_BARRIER(ltr(8));
  LASTCPU_EXPECT_BARRIER(invlpg(reinterpret_cast<void*>(0x1000)));
  LASTCPU_EXPECT_BARRIER(vmxoff());
  LASTCPU_EXPECT_BARRIER(stgi());
}

}  // namespace
}  // namespace instructions_test
