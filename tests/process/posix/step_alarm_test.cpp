// SPDX-License-Identifier: BSL-1.0
// A step of a panic that hangs is cut off, and the panic ends by the signal that began it.
#include "faults.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace step_alarm_test {
namespace {

using namespace posix_test;

struct log_of_steps {
  uint32_t reports, summaries, flushes;
};
enum class trouble { none, hangs, takes_its_time };

struct alarmed_policy : panic_policy {
  static inline shared<log_of_steps>* log = nullptr;
  static inline uint32_t budget_ms = 300;
  static inline trouble in_report = trouble::none, in_summary = trouble::none, in_flush = trouble::none;
  static inline bool hook_hangs_before_the_summary = false;

  static void before_step(step next) noexcept {
    if (hook_hangs_before_the_summary && next == step::summary) meet(trouble::hangs);
    posix_step_alarm(budget_ms);
  }
  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {
    ++(*log)->reports;
    meet(in_report);
  }
  template <class Note>
  static void summary(const Note&) noexcept {
    ++(*log)->summaries;
    meet(in_summary);
  }
  static void flush() noexcept {
    ++(*log)->flushes;
    meet(in_flush);
  }

 private:
  static void meet(trouble what) noexcept {
    if (what == trouble::takes_its_time) usleep(budget_ms * 400);
    while (what == trouble::hangs) usleep(1000);
  }
};

struct step_alarm : testing::Test {
  shared<log_of_steps> log;

  step_alarm() { alarmed_policy::log = &log; }
  ~step_alarm() override {
    alarmed_policy::budget_ms = 300;
    alarmed_policy::in_report = alarmed_policy::in_summary = alarmed_policy::in_flush = trouble::none;
    alarmed_policy::hook_hangs_before_the_summary = false;
  }
  static auto& machine() { return the_machine<posix, alarmed_policy>; }
  static void fault_on_cpu_0() {
    const cpu_guard cpu(0);
    lastcpu_test_illegal();
  }
  static outcome fault() {
    return in_child([] {
      boot(machine());
      fault_on_cpu_0();
    });
  }
  static std::string nested_message_of_a_capture() {
    const capture_room room;
    const outcome o = in_child([] {
      boot(machine(), {.on_fault = fault_response::panic});
      load_capture(machine());
      fault_on_cpu_0();
    });
    EXPECT_TRUE(o.exited_with(capture_exit)) << o;
    return room.result().record[0].nested_message;
  }
};

TEST_F(step_alarm, cuts_off_a_report_that_hangs) {
  alarmed_policy::in_report = trouble::hangs;
  const outcome o = fault();
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->reports, 1u);
  EXPECT_EQ(log->summaries, 1u);
  EXPECT_EQ(log->flushes, 1u);
}

TEST_F(step_alarm, cuts_off_each_step_that_hangs) {
  alarmed_policy::in_report = alarmed_policy::in_summary = alarmed_policy::in_flush = trouble::hangs;
  const outcome o = fault();
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->flushes, 1u);
}

TEST_F(step_alarm, cuts_off_a_step_whose_hook_the_one_before_has_cut_off) {
  alarmed_policy::hook_hangs_before_the_summary = true;
  alarmed_policy::in_summary = trouble::hangs;
  const outcome o = fault();
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->flushes, 1u);
}

TEST_F(step_alarm, is_named_in_the_message_of_what_it_cut_off) {
  alarmed_policy::in_report = trouble::hangs;
  EXPECT_EQ(nested_message_of_a_capture(), "SIGABRT, a timer has expired");
}

TEST_F(step_alarm, is_for_one_step_and_not_for_all_together) {
  alarmed_policy::budget_ms = 1500;
  alarmed_policy::in_report = alarmed_policy::in_summary = alarmed_policy::in_flush = trouble::takes_its_time;
  EXPECT_EQ(nested_message_of_a_capture(), "");
}

TEST_F(step_alarm, ends_a_panic_of_a_thread_that_masks_everything_by_sigabrt) {
  alarmed_policy::in_report = trouble::hangs;
  const outcome o = in_child([] {
    boot(machine());
    const cpu_guard cpu;
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    machine().panic("outer");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_EQ(log->flushes, 1u);
}

TEST_F(step_alarm, is_for_the_thread_that_panics_whoever_set_one_before) {
  alarmed_policy::in_report = trouble::hangs;
  const outcome o = in_child([] {
    boot(machine());
    std::thread([] { posix_step_alarm(60'000); }).join();
    fault_on_cpu_0();
  });
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
}

TEST_F(step_alarm, is_for_the_thread_that_panics_though_another_one_would_take_a_signal) {
  alarmed_policy::in_report = trouble::hangs;
  const outcome o = in_child([] {
    boot(machine());
    std::thread(fault_on_cpu_0).join();  // the main thread, where the kernel looks first, is no CPU
  });
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
}

TEST_F(step_alarm, is_made_anew_in_the_child_of_a_fork) {
  alarmed_policy::in_report = trouble::hangs;
  const outcome o = in_child([] {
    posix_step_alarm(60'000);
    const outcome inner = in_child([] {
      boot(machine());
      fault_on_cpu_0();
    });
    _exit(inner.died_of(SIGILL) ? 0 : broken_promise);
  });
  EXPECT_TRUE(o.exited_with(0)) << o;
}

TEST_F(step_alarm, takes_no_timer_away_that_the_child_of_a_fork_has_made) {
  const outcome o = in_child([] {
    posix_step_alarm(60'000);
    const outcome inner = in_child([] {
      timer_t own{};
      itimerspec left{};
      must(timer_create(CLOCK_MONOTONIC, nullptr, &own) == 0, "a timer");
      posix_step_alarm(60'000);
      _exit(timer_gettime(own, &left) == 0 ? 0 : broken_promise);
    });
    _exit(inner.exited_with(0) ? 0 : broken_promise);
  });
  EXPECT_TRUE(o.exited_with(0)) << o;
}

TEST_F(step_alarm, of_no_time_is_none) {
  alarmed_policy::budget_ms = 0;
  const outcome o = fault();
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_EQ(log->reports, 1u);
}

}  // namespace
}  // namespace step_alarm_test
