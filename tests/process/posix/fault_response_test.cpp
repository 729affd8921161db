// SPDX-License-Identifier: BSL-1.0
// What a fault becomes, by posix_options::on_fault, and faults inside the crash path itself.
#include "faults.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>

namespace fault_response_test {
namespace {

using namespace posix_test;

struct log_of_steps {
  uint32_t reports, flushes;
  char message[64];
};
struct logging_policy : panic_policy {
  static inline shared<log_of_steps>* log = nullptr;
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    ++(*log)->reports;
    posix_detail::copy_text((*log)->message, info.message);
  }
  static void flush() noexcept { ++(*log)->flushes; }
};
struct faulty_report : logging_policy {
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    logging_policy::report(info);
    touch(nowhere());
  }
};
struct faulty_jump : posix {
  static void jump(const image&) noexcept { touch(nowhere()); }
};
struct faulty_shutdown : posix {
  static void crash_shutdown(const registers&) noexcept { touch(nowhere()); }
};

template <class Domain>
outcome fault_on(Domain& machine, bool image, fault_response how, void (*raise)()) {
  return in_child([&] {
    boot(machine, {.on_fault = how});
    const cpu_guard cpu(0);
    if (image) load_capture(machine);
    raise();
  });
}

TEST(fault, taken_as_an_oops_starts_the_capture_program_without_a_report) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = fault_on(the_machine<posix, logging_policy>, true, fault_response::oops, lastcpu_test_illegal);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(log->reports, 0u);
}

TEST(fault, taken_as_an_oops_becomes_a_panic_when_there_is_nothing_to_start) {
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = fault_on(the_machine<posix, logging_policy>, false, fault_response::oops, lastcpu_test_illegal);
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_EQ(std::string(log->message).rfind("SIGILL", 0), 0u) << log->message;
}

TEST(fault, taken_as_a_panic_is_reported_and_captured) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = fault_on(the_machine<posix, logging_policy>, true, fault_response::panic, lastcpu_test_illegal);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_STREQ(log->message, room.result().record[0].message);
  EXPECT_EQ(room.result().record[0].registers.pc, address_of(lastcpu_test_illegal_at));
}

TEST(fault, left_alone_kills_the_process_as_ever) {
  const capture_room room;
  const outcome o = fault_on(the_machine<>, true, fault_response::none, [] { touch(nowhere()); });
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_FALSE(room.ran());
}

// --- a fault inside the path

TEST(fault, inside_the_report_goes_on_to_the_capture_program) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = fault_on(the_machine<posix, faulty_report>, true, fault_response::panic, lastcpu_test_illegal);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(log->reports, 1u) << "no step twice";
  const auto r = room.result().record[0];
  EXPECT_EQ(std::string(r.message).rfind("SIGILL", 0), 0u) << r.message;
  EXPECT_STREQ(r.nested_message, "SIGSEGV at 0x10");
  EXPECT_EQ(r.registers.pc, address_of(lastcpu_test_illegal_at)) << "the registers are those of the first fault";
}

TEST(fault, inside_the_report_of_a_thread_that_masks_everything_goes_on_all_the_same) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = in_child([] {
    auto& machine = the_machine<posix, faulty_report>;
    boot(machine);
    load_capture(machine);
    const cpu_guard cpu;
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    machine.panic("outer");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_STREQ(room.result().record[0].message, "outer");
  EXPECT_STREQ(room.result().record[0].nested_message, "SIGSEGV at 0x10");
}

// sigsuspend() and its like have one mask while they last and go back to another one: a handler that interrupts them sees
// the second in its context and runs with the first.
void take_in_sigsuspend(int number) {
  const uint64_t one = bit(number);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, nullptr, sizeof one);
  syscall(SYS_tgkill, getpid(), gettid(), number);
  sigset_t all_but_one;
  sigfillset(&all_but_one);
  sigdelset(&all_but_one, number);
  sigsuspend(&all_but_one);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, nullptr, sizeof one);  // ThreadSanitizer's runtime sends it again now
  posix_detail::let_pending_handlers_run();
}

/// `signal` makes a panic of a CPU that is in sigsuspend(), and the report of that faults once.
outcome faulty_report_in_sigsuspend(int signal, const posix_options& options) {
  return in_child([signal, &options] {
    boot(the_machine<posix, faulty_report>, options);
    load_capture(the_machine<posix, faulty_report>);
    const cpu_guard cpu;
    take_in_sigsuspend(signal);
  });
}

TEST(fault, inside_the_report_of_an_nmi_panic_in_sigsuspend_goes_on_all_the_same) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  static constexpr auto panic_now = [](const posix_registers& regs) noexcept {
    the_machine<posix, faulty_report>.nmi_panic("watchdog", regs);
  };
  const outcome o = faulty_report_in_sigsuspend(SIGUSR2, {.on_other_nmi = panic_now});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_STREQ(room.result().record[0].nmi_message, "watchdog");
  EXPECT_STREQ(room.result().record[0].nested_message, "SIGSEGV at 0x10");
}

TEST(fault, inside_the_report_of_a_fault_in_sigsuspend_goes_on_all_the_same) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = faulty_report_in_sigsuspend(SIGABRT, {.on_fault = fault_response::panic});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_STREQ(room.result().record[0].message, "SIGABRT");
  EXPECT_STREQ(room.result().record[0].nested_message, "SIGSEGV at 0x10");
}

TEST(fault, inside_the_report_ends_without_a_capture_program_in_the_first_signal) {
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o = fault_on(the_machine<posix, faulty_report>, false, fault_response::oops, lastcpu_test_illegal);
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_EQ(log->flushes, 1u) << "the later steps ran";
}

TEST(fault, inside_the_shutdown_still_reaches_the_jump) {
  const capture_room room;
  const outcome o = fault_on(the_machine<faulty_shutdown>, true, fault_response::oops, lastcpu_test_illegal);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().record[0].registers.pc, address_of(lastcpu_test_illegal_at));
}

TEST(fault, inside_the_jump_goes_on_to_the_last_resort) {
  const capture_room room;
  shared<log_of_steps> log;
  logging_policy::log = &log;
  const outcome o =
      fault_on(the_machine<faulty_jump, logging_policy>, true, fault_response::oops, lastcpu_test_illegal);
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->flushes, 1u);
  EXPECT_FALSE(room.ran());
}

}  // namespace
}  // namespace fault_response_test
