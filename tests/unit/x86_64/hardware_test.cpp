// SPDX-License-Identifier: BSL-1.0
// The machine that the port's pieces act on, when no test stands in for it.
#include <lastcpu/platform/x86_64/hardware.hpp>

#include <gtest/gtest.h>

#include "machine_code.hpp"
#include "privileged.hpp"

namespace hardware_test {
namespace {

using lastcpu::x86::hardware;

class the_hardware : public testing::Test {
 protected:
  the_hardware() { privileged::begin(); }
  ~the_hardware() override {
    for (const int s : {SIGSEGV, SIGILL, SIGTRAP}) std::signal(s, SIG_DFL);
  }
};

TEST_F(the_hardware, ports_and_registers_are_the_machines) {
  privileged::port_answer = 0x12;
  privileged::other_msrs = 0x1'0000'0034;
  privileged::cr4 = 0x56;
  privileged::cr8 = 7;
  EXPECT_EQ(hardware::in8(0x64), 0x12);
  hardware::out8(0xcf9, 6);
  EXPECT_EQ(hardware::rdmsr(0x17a), 0x1'0000'0034u);
  hardware::wrmsr(0x17a, 0x1'0000'0005);
  EXPECT_EQ(hardware::read_cr4(), 0x56u);
  hardware::write_cr4(0x10'0000'0060);
  EXPECT_EQ(hardware::read_cr8(), 7u);
  hardware::write_cr8(14);
  EXPECT_EQ(privileged::take(), (lines{"in8 64", "out8 cf9 6", "rdmsr 17a", "wrmsr 17a 100000005",
                                       "write_cr 4 1000000060", "write_cr 8 e"}));
}

TEST_F(the_hardware, waits_and_modes_are_the_machines) {
  privileged::halts_to_go = 1;
  hardware::monitor(reinterpret_cast<void*>(0x1240));
  hardware::mwait();
  hardware::sti_halt();
  hardware::cli();
  hardware::vmxoff();
  hardware::stgi();
  EXPECT_EQ(privileged::take(), (lines{"monitor 1240", "mwait", "sti", "hlt", "cli", "vmxoff", "stgi"}));
  EXPECT_TRUE(machine_code(hardware::pause).has({0xf3, 0x90}));
}

TEST_F(the_hardware, time_and_identity_are_the_machines) {
  const uint64_t before = lastcpu::x86::rdtsc();
  const uint64_t now = hardware::now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, lastcpu::x86::rdtsc());
  EXPECT_EQ(hardware::cpuid(0).ebx, lastcpu::x86::cpuid(0).ebx);
  EXPECT_EQ(hardware::cpuid(1).edx, lastcpu::x86::cpuid(1).edx);
}

TEST_F(the_hardware, mapped_registers_are_words_at_their_offsets) {
  uint32_t registers[8] = {};
  hardware::write32(registers, 0x10, 0x1234'5678);
  EXPECT_EQ(registers[4], 0x1234'5678u);
  registers[7] = 0x8765'4321;
  EXPECT_EQ(hardware::read32(registers, 0x1c), 0x8765'4321u);
}

TEST_F(the_hardware, triple_fault_is_an_exception_without_a_table) {
  hardware::drop_idt();
  hardware::breakpoint();
  EXPECT_EQ(privileged::take(), (lines{"lidt 0 0", "int3"}));
}

}  // namespace
}  // namespace hardware_test
