// SPDX-License-Identifier: BSL-1.0
// No signal of the dying process reaches the capture program, whatever its number, and none is lost to it later.
#include "machine.hpp"

#include <gtest/gtest.h>
#include <sys/time.h>

#include <vector>

namespace capture_signals_test {
namespace {

using namespace posix_test;

[[nodiscard]] bool is_a_fault(int signal) {
  for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT})
    if (s == signal) return true;
  return false;
}

/// Every signal that a program can handle, but faults and libc's own.
[[nodiscard]] std::vector<int> signals_of_programs() {
  std::vector<int> all;
  for (int s = 1; s <= 64; ++s)
    if (s != SIGKILL && s != SIGSTOP && s != 32 && s != 33 && !is_a_fault(s)) all.push_back(s);
  return all;
}

template <class F>
outcome panic_with_pending(F prepare, const posix_options& options = {}) {
  return in_child([&] {
    auto& m = the_machine<>;
    boot(m, options);
    const cpu_guard cpu(0);
    load_capture(m);
    prepare();
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    for (const int s : signals_of_programs()) {
      syscall(SYS_tgkill, getpid(), gettid(), s);  // to the thread
      kill(getpid(), s);                           // and to the process
    }
    m.panic("with all of them pending");
  });
}

TEST(capture_signals, the_first_and_the_last_number_are_among_those_tried) {
  EXPECT_EQ(signals_of_programs().front(), 1);
  EXPECT_EQ(signals_of_programs().back(), SIGRTMAX);
  EXPECT_EQ(signals_of_programs().size(), 64u - 4 - 7);
}

TEST(capture_signals, that_are_pending_with_their_default_are_dropped) {
  const capture_room room;
  const outcome o = panic_with_pending([] {});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().pending, 0u);
  EXPECT_EQ(room.result().blocked, 0u);
}

TEST(capture_signals, that_are_pending_for_a_handler_are_dropped_and_the_handler_does_not_run) {
  const capture_room room;
  shared<uint64_t> ran;
  static shared<uint64_t>* const handled = &ran;
  const outcome o = panic_with_pending([] {
    for (const int s : signals_of_programs())
      if (s != SIGUSR1 && s != SIGUSR2) signal(s, [](int number) { **handled |= bit(number); });
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(*ran, 0u);
  EXPECT_EQ(room.result().pending, 0u);
}

TEST(capture_signals, all_have_their_default_again_but_those_that_stop) {
  const capture_room room;
  uint64_t expected = bit(SIGUSR1) | bit(SIGUSR2);
  for (int s = 1; s <= 64; ++s)  // what the test was started with is none of the library's business
    if (struct sigaction a{}; sigaction(s, nullptr, &a) == 0 && a.sa_handler == SIG_IGN) expected |= bit(s);
  const outcome o = panic_with_pending([] {});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().ignored, expected);
}

TEST(capture_signals, that_stop_may_be_the_first_and_the_last_number) {
  const capture_room room;
  const outcome o = panic_with_pending([] {}, {.irq_signal = SIGRTMAX, .nmi_signal = SIGHUP});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().pending, 0u);
  EXPECT_EQ(room.result().ignored & (bit(SIGRTMAX) | bit(SIGHUP) | bit(SIGUSR1)), bit(SIGRTMAX) | bit(SIGHUP));
}

TEST(capture_signals, of_timers_that_live_through_an_exec_are_ended) {
  const capture_room room;
  setenv(linger_variable, "100", 1);
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    for (const int s : {SIGALRM, SIGVTALRM, SIGPROF}) signal(s, [](int) {});
    const itimerval often{{0, 2000}, {0, 2000}};
    for (const auto timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) setitimer(timer, &often, nullptr);
    m.panic("a profiler was at work");
  });
  unsetenv(linger_variable);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
}

}  // namespace
}  // namespace capture_signals_test
