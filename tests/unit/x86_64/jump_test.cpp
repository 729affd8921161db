// SPDX-License-Identifier: BSL-1.0
// What can be said of the jump without leaving user mode: that it begins at the right place with the right stamps, and
// that the trampoline page holds what its code will load. The jump itself runs in tests/boot.
#include <lastcpu/platform/x86_64/jump.hpp>
#include <lastcpu/platform/x86_64/trampoline.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

#include "unit/x86_64/reserved_memory.hpp"

namespace jump_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using lastcpu::test::reserved_memory;

// --- jump_to().

struct recorder {
  static inline std::string log;
  static inline uint64_t cr4_now = 0;
  static inline const unsigned char* entered = nullptr;

  static void interrupts_off() noexcept { log += "cli "; }
  static void breakpoints_off() noexcept { log += "dr7 "; }
  static uint64_t cr3() noexcept { return 0x5000; }
  static uint64_t cr4() noexcept { return cr4_now; }
  static uint64_t now() noexcept { return 4711; }
  static void enter(const unsigned char* at) noexcept {
    log += "enter";
    entered = at;
  }
};

struct jump : testing::Test {
  reserved_memory memory;
  crash_image_record record{};

  void load(paging levels) {
    const lastcpu::test::bytes file(100, 1);
    load_options options = reserved_memory::options();
    options.flat = true;
    options.levels = levels;
    ASSERT_EQ(load_crash_kernel(memory.region(), file.data(), file.size(), options, record), load_error::none);
    recorder::log.clear();
    recorder::entered = nullptr;
    recorder::cr4_now = levels == paging::five_levels ? cr4_la57 | 0x20 : 0x20;
  }
};

TEST_F(jump, stamps_the_handover_and_enters_the_trampoline_with_interrupts_off) {
  for (const paging levels : {paging::four_levels, paging::five_levels}) {
    load(levels);
    jump_to<recorder>(record);
    EXPECT_EQ(recorder::log, "cli dr7 enter");
    EXPECT_EQ(recorder::entered, memory.first + record.trampoline);
    EXPECT_EQ(handover_of(record)->page_tables, 0x5000u);
    EXPECT_EQ(handover_of(record)->jump_ticks, 4711u);
  }
}

TEST_F(jump, returns_at_once_from_a_record_that_is_none) {
  load(paging::four_levels);
  record.trampoline ^= page_bytes;
  jump_to<recorder>(record);
  EXPECT_EQ(recorder::log, "");
}

TEST_F(jump, returns_at_once_when_the_tables_have_the_wrong_number_of_levels) {
  load(paging::four_levels);
  recorder::cr4_now ^= cr4_la57;
  jump_to<recorder>(record);
  EXPECT_EQ(recorder::log, "");
  load(paging::five_levels);
  recorder::cr4_now ^= cr4_la57;
  jump_to<recorder>(record);
  EXPECT_EQ(recorder::log, "");
}

// --- The trampoline page.

constexpr uint64_t alias = 0xffff'8000'0123'4000;
constexpr uint64_t physical = 0x0123'4000;

struct trampoline : testing::Test {
  trampoline() { build_trampoline(page, code, {physical, alias, 1, 2, 3, 4, 5}); }

  trampoline_code code = find_trampoline_code();
  alignas(page_bytes) trampoline_page page{};
};

TEST_F(trampoline, code_is_whole_and_fits) {
  ASSERT_LE(code.bytes, sizeof page.code);
  EXPECT_EQ(std::memcmp(page.code, code.begin, code.bytes), 0);
  constexpr unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  constexpr unsigned char iretq[] = {0x48, 0xcf};
  EXPECT_EQ(std::memcmp(page.code, endbr64, 4), 0);
  EXPECT_EQ(std::memcmp(page.code + code.nmi, endbr64, 4), 0);
  EXPECT_EQ(std::memcmp(page.code + code.nmi + 4, iretq, 2), 0);
  EXPECT_EQ(code.fatal, code.nmi + 6);
  EXPECT_EQ(std::memcmp(page.code + code.nmi - 2, iretq, 2), 0);
}

TEST_F(trampoline, words_for_the_new_machine_are_there) {
  EXPECT_EQ(page.here, physical);
  EXPECT_EQ(page.root, 1u);
  EXPECT_EQ(page.stack, 2u);
  EXPECT_EQ(page.entry, 3u);
  EXPECT_EQ(page.handover, 4u);
  EXPECT_EQ(page.mxcsr, 0x1f80u);
}

TEST_F(trampoline, early_tables_are_in_the_page_as_the_dying_kernel_has_it) {
  EXPECT_EQ(+page.early_gdt.base, alias + offsetof(trampoline_page, early_gdt_slots));
  EXPECT_EQ(+page.early_gdt.limit, 255);
  EXPECT_EQ(+page.early_idt.base, alias + offsetof(trampoline_page, early_gates));
  EXPECT_EQ(+page.early_idt.limit, 47);
  EXPECT_EQ(page.early_gdt_slots[0], 0u);
  for (int i = 1; i < 32; ++i) EXPECT_EQ(page.early_gdt_slots[i], code64_descriptor) << i;
}

TEST_F(trampoline, early_idt_has_the_nmi_and_nothing_else) {
  EXPECT_EQ(page.early_gates[2].handler(), alias + code.nmi);
  EXPECT_EQ(page.early_gates[2].type, 0x8eu);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(page.early_gates[i].type, 0u);
}

TEST_F(trampoline, late_tables_are_physical) {
  EXPECT_EQ(+page.late_gdt.base, physical + offsetof(trampoline_page, late_gdt_slots));
  EXPECT_EQ(+page.late_gdt.limit, 23);
  EXPECT_EQ(page.late_gdt_slots[0], 0u);
  EXPECT_EQ(page.late_gdt_slots[crash_code_selector / 8], code64_descriptor);
  EXPECT_EQ(page.late_gdt_slots[crash_data_selector / 8], data64_descriptor);
}

TEST_F(trampoline, late_idt_is_whole) {
  page = {};
  build_trampoline(page, code, {physical, alias, 1, 2, 3, 4, 0x7000});
  EXPECT_EQ(+page.late_idt.base, 0x7000u);
  EXPECT_EQ(+page.late_idt.limit, 4095);
}

// The constants that the code moves into control registers, bit by bit.
TEST_F(trampoline, control_registers_have_what_a_fresh_kernel_expects) {
  constexpr uint64_t pe = 1, mp = 2, et = 1 << 4, ne = 1 << 5, wp = 1 << 16, pg = uint64_t{1} << 31;
  constexpr uint64_t pae = 1 << 5, osfxsr = 1 << 9, osxmmexcpt = 1 << 10, la57 = 1 << 12, vmxe = 1 << 13;
  EXPECT_EQ(crash_cr0, pe | mp | et | ne | wp | pg);
  EXPECT_EQ(crash_cr4, pae | osfxsr | osxmmexcpt);
  EXPECT_EQ(crash_cr4_kept, la57 | vmxe);
}

// Its order is its correctness; each instruction as it stands in memory.
TEST_F(trampoline, code_does_things_in_the_one_order_that_works) {
  const std::string_view text(reinterpret_cast<const char*>(page.code), code.bytes);
  using namespace std::string_view_literals;
  const std::string_view steps[] = {
      "\x0f\x01\x9b"sv,  // lidt, early
      "\x8e\xd0"sv,      // mov %eax, %ss
      "\x0f\x01\x93"sv,  // lgdt, early
      "\x0f\x22\xe0"sv,  // mov %rax, %cr4
      "\x0f\x22\xd8"sv,  // mov %rax, %cr3
      "\xff\xe0"sv,      // jmp *%rax
      "\x0f\x01\x9b"sv,  // lidt, late
      "\x48\xcb"sv,      // lretq
      "\x0f\x01\x93"sv,  // lgdt, late
      "\x0f\x22\xc0"sv,  // mov %rax, %cr0
      "\x48\xcf"sv,      // iretq
      "\x48\xcf"sv,      // that of an NMI; here a fault comes in
      "\xee"sv,          // out, port 0xcf9
      "\xee"sv,          // again: this one resets
      "\xf3\x90"sv,      // pause, while it does
      "\x0f\x01\x1d"sv,  // lidt, of an empty table
      "\xcc"sv,          // int3
  };
  size_t at = 0;
  for (const std::string_view step : steps) {
    at = text.find(step, at);
    ASSERT_NE(at, std::string_view::npos) << (&step - steps);
    at += step.size();
  }
}

}  // namespace
}  // namespace jump_test
