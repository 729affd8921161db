// SPDX-License-Identifier: BSL-1.0
// The stubs run here, in user space: an interrupt's frame is pushed by hand, and iretq to the same ring works in any.
#include <lastcpu/platform/x86_64/entry.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include <gtest/gtest.h>
#include <unwind.h>

#include <cstring>

#include "privileged.hpp"

using lastcpu::x86::registers;

LASTCPU_X86_ENTRY(plain_entry, on_entry);
LASTCPU_X86_ENTRY_WITH_ERROR_CODE(error_entry, on_entry);
LASTCPU_X86_NMI_ENTRY(nmi_entry, on_entry);

extern "C" {
// Loads `before`, enters `stub` as an interrupt at resume_here would, and notes in `after` what has come back.
void interrupt(uint64_t with_error_code) noexcept;
extern char resume_here[];
registers before, after;
void (*stub)() noexcept = nullptr;
uint64_t stack_of_the_test = 0;
}
#define LASTCPU_FOR_EACH_GENERAL_REGISTER(op)                                                                         \
  op(r15, 0) op(r14, 8) op(r13, 16) op(r12, 24) op(rbp, 32) op(rbx, 40) op(r11, 48) op(r10, 56) op(r9, 64) op(r8, 72) \
      op(rax, 80) op(rcx, 88) op(rdx, 96) op(rsi, 104) op(rdi, 112)
#define LASTCPU_LOAD(name, at) "movq before+" #at "(%rip), %" #name "\n\t"
#define LASTCPU_STORE(name, at) "movq %" #name ", after+" #at "(%rip)\n\t"
asm(".pushsection .text\n"
    "interrupt:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
    "movq %rsp, stack_of_the_test(%rip)\n\t"
    "andq $-16, %rsp\n\t"  // as the CPU does
    "pushq before+160(%rip)\n\tpushq before+152(%rip)\n\tpushq before+144(%rip)\n\tpushq before+136(%rip)\n\t"
    "leaq resume_here(%rip), %rax\n\tpushq %rax\n\t"
    "testq %rdi, %rdi\n\tjz 1f\n\tpushq before+120(%rip)\n"
    "1:\tpushq before+144(%rip)\n\tpopfq\n\t" LASTCPU_FOR_EACH_GENERAL_REGISTER(LASTCPU_LOAD)
    "jmp *stub(%rip)\n"
    "resume_here:\n\t" LASTCPU_FOR_EACH_GENERAL_REGISTER(LASTCPU_STORE)
    "movq %rsp, after+152(%rip)\n\t"
    "movq stack_of_the_test(%rip), %rsp\n\tpushfq\n\tpopq after+144(%rip)\n\tpushq $2\n\tpopfq\n\t"
    "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n\t"
    ".popsection");

namespace entry_test {
namespace {

constexpr uint64_t direction = 1u << 10, alignment_check = 1u << 18, carry = 1;
alignas(16) unsigned char interrupted_stack[256];

struct frame {
  const frame* caller;
  uintptr_t returns_to;
};

registers seen;
uint64_t flags_in_the_handler, handlers_frame;
frame first_frame;
void (*in_the_handler)(registers&) = nullptr;

}  // namespace

extern "C" [[gnu::noinline]] void on_entry(registers* regs) noexcept {
  flags_in_the_handler = lastcpu::x86::read_flags();
  const auto* mine = static_cast<const frame*>(__builtin_frame_address(0));
  handlers_frame = reinterpret_cast<uint64_t>(mine);
  first_frame = *mine->caller;
  seen = *regs;
  if (in_the_handler != nullptr) in_the_handler(*regs);
}

namespace {

class entry : public testing::Test {
 protected:
  entry() {
    in_the_handler = nullptr;
    std::memset(&after, 0xee, sizeof after);
    std::memset(&seen, 0xee, sizeof seen);
    auto* words = reinterpret_cast<uint64_t*>(&before);
    for (uint64_t i = 0; i < 15; ++i) words[i] = 0x0101'0101'0101'0101u * (i + 1);
    before.error_code = 0xbad;
    before.rip = reinterpret_cast<uint64_t>(resume_here);
    before.rsp = reinterpret_cast<uint64_t>(interrupted_stack) + 128 + 3;  // interrupted code may have any alignment
    before.rflags = lastcpu::x86::read_flags() | direction | alignment_check | carry;
    registers own;
    lastcpu::x86::capture(own);
    before.cs = own.cs;
    before.ss = own.ss;
  }
  static void enter(void (*through)() noexcept, bool with_error_code = false) {
    stub = through;
    interrupt(with_error_code ? 1 : 0);
  }
  // `after` has no cs, ss, rip and error code of its own.
  static void expect_everything_back(registers expected) {
    after.error_code = expected.error_code;
    after.rip = expected.rip;
    after.cs = expected.cs;
    after.ss = expected.ss;
    EXPECT_EQ(std::memcmp(&after, &expected, sizeof after), 0);
  }
};

// Where indirect branches are tracked, an interrupt that lands on anything else is a fault in the entry of a fault.
TEST_F(entry, every_stub_begins_with_a_landing_mark) {
  constexpr unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  for (auto* through : {plain_entry, error_entry, nmi_entry})
    EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(through), endbr64, sizeof endbr64), 0);
}

TEST_F(entry, every_stub_is_aligned_to_a_fetch) {
  for (auto* through : {plain_entry, error_entry, nmi_entry}) EXPECT_EQ(reinterpret_cast<uintptr_t>(through) % 16, 0u);
}

TEST_F(entry, the_handler_sees_the_whole_frame) {
  enter(plain_entry);
  registers expected = before;
  expected.error_code = 0;
  EXPECT_EQ(std::memcmp(&seen, &expected, sizeof seen), 0);
}

TEST_F(entry, the_error_code_is_in_its_place) {
  enter(error_entry, true);
  EXPECT_EQ(std::memcmp(&seen, &before, sizeof seen), 0);
}

TEST_F(entry, every_register_is_preserved) {
  enter(plain_entry);
  expect_everything_back(before);
}

TEST_F(entry, every_register_is_preserved_behind_an_error_code) {
  enter(error_entry, true);
  expect_everything_back(before);
}

TEST_F(entry, what_the_handler_changes_in_the_frame_is_what_is_returned_to) {
  in_the_handler = [](registers& r) {
    auto* words = reinterpret_cast<uint64_t*>(&r);
    for (uint64_t i = 0; i < 15; ++i) words[i] += 1000 * (i + 1);
    r.rsp += 16;
    r.rflags &= ~carry;
  };
  enter(plain_entry);
  registers expected = before;
  in_the_handler(expected);
  expect_everything_back(expected);
}

TEST_F(entry, the_handler_runs_with_the_stack_aligned_and_the_flags_of_the_interrupted_code_clear) {
  for (auto* through : {plain_entry, nmi_entry}) {
    privileged::begin();
    enter(through);
    EXPECT_EQ(handlers_frame % 16, 0u);
    EXPECT_EQ(flags_in_the_handler & (direction | alignment_check), 0u);
  }
  enter(error_entry, true);
  // The CPU aligns before it pushes the error code too, so a frame with one has the same size.
  EXPECT_EQ(handlers_frame % 16, 0u);
  EXPECT_EQ(flags_in_the_handler & (direction | alignment_check), 0u);
}

TEST_F(entry, the_frame_pointer_chain_goes_on_in_the_interrupted_code) {
  enter(plain_entry);
  EXPECT_EQ(reinterpret_cast<uint64_t>(first_frame.caller), before.rbp);
  EXPECT_EQ(first_frame.returns_to, before.rip);
}

TEST_F(entry, an_nmi_sees_and_preserves_everything) {
  privileged::begin();
  enter(nmi_entry);
  expect_everything_back(before);
  registers expected = before;
  expected.error_code = 0;
  EXPECT_EQ(std::memcmp(&seen, &expected, sizeof seen), 0);
  EXPECT_EQ(first_frame.returns_to, before.rip);
}

TEST_F(entry, an_nmi_keeps_the_address_of_the_page_fault_that_it_interrupted) {
  privileged::begin();
  privileged::cr2 = 0xffff'8000'dead'b000;
  in_the_handler = [](registers&) { privileged::cr2 = 0x1000; };  // a page fault in the handler
  enter(nmi_entry);
  EXPECT_EQ(privileged::cr2, 0xffff'8000'dead'b000u);
}

#ifdef __GCC_HAVE_DWARF2_CFI_ASM
constexpr int numbers[] = {15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5};  // DWARF's, in the order of the frame

// The frame of the code that was interrupted, as an unwinder finds it from inside the handler.
struct found_by_unwinding {
  bool reached = false, exact = false;
  uint64_t words[15] = {}, stack = 0;
};

_Unwind_Reason_Code look_at(_Unwind_Context* frame, void* into) {
  auto& found = *static_cast<found_by_unwinding*>(into);
  int exact = 0;
  if (_Unwind_GetIPInfo(frame, &exact) != before.rip) return _URC_NO_REASON;
  found.reached = true;
  found.exact = exact != 0;  // the interrupted instruction, not the one behind a call
  for (int i = 0; i < 15; ++i) found.words[i] = _Unwind_GetGR(frame, numbers[i]);
  found.stack = _Unwind_GetGR(frame, 7);
  return _URC_END_OF_STACK;
}

TEST_F(entry, an_unwinder_goes_through_the_handler_to_the_interrupted_code_and_its_registers) {
  static found_by_unwinding found;
  in_the_handler = [](registers&) { (void)_Unwind_Backtrace(look_at, &found); };
  const auto unwinds = [](void (*through)() noexcept, bool with_error_code) {
    found = {};
    enter(through, with_error_code);
    EXPECT_TRUE(found.reached);
    EXPECT_TRUE(found.exact);
    EXPECT_EQ(found.stack, before.rsp);
    const auto* words = reinterpret_cast<const uint64_t*>(&before);
    for (int i = 0; i < 15; ++i) EXPECT_EQ(found.words[i], words[i]) << "DWARF register " << numbers[i];
  };
  unwinds(plain_entry, false);
  unwinds(error_entry, true);
  privileged::begin();
  unwinds(nmi_entry, false);
}
#endif

}  // namespace
}  // namespace entry_test
