// SPDX-License-Identifier: BSL-1.0
// A synchronous fault becomes a crash, with a capture program and without.
#include "faults.hpp"
#include "machine.hpp"
#include "sandbox.hpp"

#include <gtest/gtest.h>

namespace fault_test {
namespace {

using namespace posix_test;

struct fault {
  const char* name;
  int signal;
  void (*raise)();
  const char* pc;  // null: somewhere
};

void* memory_without_a_file() {
  static void* p = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, memfd_create("empty", MFD_CLOEXEC), 0);
  return p;
}

void call_what_seccomp_traps() {
  answer_call_with(SYS_getppid, SECCOMP_RET_TRAP);
  syscall(SYS_getppid);
}

const fault faults[] = {
    {"SIGSEGV at 0x10", SIGSEGV, [] { touch(nowhere()); }, lastcpu_test_load_at},
    {"SIGBUS at 0x", SIGBUS, [] { touch(memory_without_a_file()); }, lastcpu_test_load_at},
    {"SIGILL at 0x", SIGILL, [] { lastcpu_test_illegal(); }, lastcpu_test_illegal_at},
    {"SIGFPE at 0x", SIGFPE, [] { lastcpu_test_divide_by_zero(); }, lastcpu_test_divide_at},
    {"SIGTRAP, the kernel names no address", SIGTRAP, [] { lastcpu_test_breakpoint(); }, lastcpu_test_breakpoint_at},
    {"SIGSYS at 0x", SIGSYS, call_what_seccomp_traps, nullptr},
    {"SIGABRT", SIGABRT, [] { abort(); }, nullptr},
};

TEST(fault, with_a_capture_program_is_captured_with_its_registers) {
  for (const fault& f : faults) {
    const capture_room room;
    const outcome o = in_child([&] {
      boot(the_machine<>);
      const cpu_guard cpu(4);
      load_capture(the_machine<>);
      f.raise();
    });
    EXPECT_TRUE(o.exited_with(capture_exit)) << f.name << ": " << o;
    const capture_result r = room.result();
    ASSERT_EQ(r.records, 1u) << f.name;
    EXPECT_EQ(r.record[0].cpu, 4u);
    EXPECT_EQ(r.record[0].crashing, 1u);
    EXPECT_EQ(r.record[0].registers_valid, 1u);
    EXPECT_EQ(std::string(r.record[0].message).rfind(f.name, 0), 0u) << r.record[0].message;
    EXPECT_NE(r.record[0].registers.sp, 0u);
    EXPECT_NE(r.record[0].registers.pc, 0u);
    if (f.pc != nullptr) {
      EXPECT_EQ(r.record[0].registers.pc, address_of(f.pc)) << f.name;
    }
  }
}

TEST(fault, without_a_capture_program_the_process_dies_of_it) {
  for (const fault& f : faults) {
    const outcome o = in_child([&] {
      boot(the_machine<>);
      const cpu_guard cpu(4);
      f.raise();
    });
    EXPECT_TRUE(o.died_of(f.signal)) << f.name << ": " << o;
  }
}

TEST(fault, on_a_thread_that_is_no_cpu_is_not_lost) {
  const capture_room room;
  for (const bool image : {true, false}) {
    const outcome o = in_child([&] {
      boot(the_machine<>);
      const cpu_guard cpu(0);
      if (image) load_capture(the_machine<>);
      std::thread([] { touch(nowhere()); }).join();
    });
    EXPECT_TRUE(image ? o.exited_with(capture_exit) : o.died_of(SIGSEGV)) << o;
  }
  EXPECT_EQ(room.result().record[0].cpu, 1u) << "the number it was given";
  EXPECT_EQ(room.result().record[0].crashing, 1u);
  EXPECT_STREQ(room.result().record[0].message, "SIGSEGV at 0x10");
}

// Frames that are larger than what a sanitizer keeps track of by itself, so that the stack ends first.
[[gnu::noinline]] int overflow(int depth) {
  volatile char frame[32 * 1024];
  frame[0] = static_cast<char>(depth);
  frame[sizeof frame - 1] = frame[0];
  return depth > 1'000'000 ? 0 : overflow(depth + 1) + frame[0] + frame[sizeof frame - 1];
}

TEST(fault, of_an_overflowing_stack_is_reported_from_the_signal_stack) {
  const capture_room room;
  const outcome o = in_child([] {
    boot(the_machine<>);
    load_capture(the_machine<>);
    start_cpu(3, [] { must(overflow(0) == 1, "never comes back"); });
    sleep_for_ever();
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  ASSERT_EQ(r.records, 1u);
  EXPECT_EQ(r.record[0].cpu, 3u);
  EXPECT_EQ(std::string(r.record[0].message).rfind("SIGSEGV at 0x", 0), 0u) << r.record[0].message;
  const uint64_t address = strtoull(r.record[0].message + strlen("SIGSEGV at "), nullptr, 16);
  EXPECT_LT(address - r.record[0].registers.sp + 64 * 1024, 128 * 1024u) << "the stack pointer is near the address";
}

// Under a sanitizer, on a loaded host, a thread may take a second to park.
struct patient : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 10'000'000}, {stop_how::nmi, 10'000'000}};
};

TEST(fault, of_two_threads_at_once_is_captured_once_with_both_messages) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& machine = the_machine<posix, patient>;
    boot(machine);
    load_capture(machine);
    static atomic<uint32_t> go{};
    for (const cpu_id n : {1u, 2u})
      start_cpu(n, [] {
        await_flag(go);
        lastcpu_test_illegal();
      });
    set_flag(go);
    sleep_for_ever();
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  ASSERT_EQ(room.result().records, 2u);
  EXPECT_EQ(room.result().record[0].crashing, 1u);
  EXPECT_EQ(room.result().record[1].crashing, 0u);
  for (const auto& r : {room.result().record[0], room.result().record[1]}) EXPECT_EQ(r.registers_valid, 1u) << r.cpu;
}

}  // namespace
}  // namespace fault_test
