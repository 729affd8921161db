// SPDX-License-Identifier: BSL-1.0
#include "faults.hpp"
#include "machine.hpp"
#include "sandbox.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>

#include <vector>

namespace last_resort_test {
namespace {

using namespace posix_test;

// The SIGSEGVs that a traced child is about to get.
std::vector<siginfo_t> faults_of(pid_t child) {
  std::vector<siginfo_t> faults;
  for (int status = 0; waitpid(child, &status, 0) == child && WIFSTOPPED(status);) {
    const int number = WSTOPSIG(status);
    siginfo_t info{};
    ptrace(PTRACE_GETSIGINFO, child, nullptr, &info);
    if (number == SIGSEGV) faults.push_back(info);
    ptrace(PTRACE_CONT, child, nullptr, number == SIGSTOP ? 0L : static_cast<long>(number));
  }
  return faults;
}

TEST(last_resort, the_process_dies_of_the_fault_with_its_original_siginfo) {
  const pid_t child = fork();
  if (child == 0) {
    become_a_test_child();
    boot(the_machine<>);
    const cpu_guard cpu(0);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) touch(nowhere());
    _exit(broken_promise);
  }
  const auto faults = faults_of(child);
  ASSERT_EQ(faults.size(), 2u) << "the fault and its repetition; a container must allow ptrace for this test";
  for (const siginfo_t& f : faults) {
    EXPECT_EQ(f.si_code, SEGV_MAPERR);
    EXPECT_EQ(f.si_addr, nowhere());
  }
}

TEST(last_resort, without_a_fault_the_process_dies_of_sigabrt) {
  const outcome o = in_child([] {
    const cpu_guard cpu(0);
    posix::emergency_restart();
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

TEST(last_resort, a_thread_that_is_no_cpu_dies_too) {
  const outcome o = in_child([] { posix::emergency_restart(); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

TEST(last_resort, a_blocked_ignored_or_handled_signal_does_not_save_the_process) {
  for (void (*const disposition)(int) : {SIG_IGN, SIG_DFL, +[](int) {}}) {
    const outcome o = in_child([disposition] {
      signal(SIGABRT, disposition);
      const uint64_t all = ~uint64_t{0};
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
      posix::emergency_restart();
    });
    EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  }
}

TEST(last_resort, the_process_dies_of_that_signal_and_of_none_that_is_pending) {
  const outcome o = in_child([] {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    for (const int s : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
      signal(s, SIG_DFL);  // whoever started the test may have them ignored
      raise(s);
    }
    posix::emergency_restart();
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

// A sandbox may refuse the call that brings the siginfo along.
TEST(last_resort, the_process_dies_of_the_fault_where_its_siginfo_can_not_be_sent) {
  const outcome o = in_child([] {
    answer_call_with(SYS_rt_tgsigqueueinfo, SECCOMP_RET_ERRNO | EPERM);
    boot(the_machine<>);
    const cpu_guard cpu(0);
    lastcpu_test_divide_by_zero();
  });
  EXPECT_TRUE(o.died_of(SIGFPE)) << o;
}

TEST(last_resort, a_halt_where_the_kill_is_refused_exits_all_the_same) {
  const outcome o = in_child([] {
    answer_call_with(SYS_kill, SECCOMP_RET_ERRNO | EPERM);
    posix::halt();
  });
  EXPECT_TRUE(o.exited_with(128 + SIGABRT)) << o;
}

TEST(last_resort, the_highest_cpu_dies_of_its_own_fault) {
  const outcome o = in_child([] {
    boot(the_machine<>);
    const cpu_guard cpu(posix::max_cpus - 1);
    lastcpu_test_illegal();
  });
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
}

TEST(last_resort, a_cpu_dies_of_its_own_fault_not_of_another_ones) {
  const outcome o = in_child([] {
    const cpu_guard cpu(0);
    posix_detail::cpu_table[1].fault.si_signo = SIGFPE;
    posix_detail::cpu_table[0].fault.si_signo = SIGBUS;
    posix_detail::cpu_table[0].fault.si_code = BUS_ADRERR;
    posix::emergency_restart();
  });
  EXPECT_TRUE(o.died_of(SIGBUS)) << o;
}

TEST(last_resort, a_number_that_is_used_again_does_not_inherit_a_fault) {
  const outcome o = in_child([] {
    {
      const cpu_guard cpu(0);
      posix_detail::cpu_table[0].fault.si_signo = SIGBUS;
    }
    const cpu_guard cpu(0);
    posix::emergency_restart();
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

TEST(last_resort, a_halt_ends_every_thread_and_masks_do_not_matter) {
  const outcome o = in_child([] {
    std::thread([] { sleep_for_ever(); }).detach();
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    posix::halt();
  });
  EXPECT_TRUE(o.died_of(SIGKILL)) << o;
}

}  // namespace
}  // namespace last_resort_test
