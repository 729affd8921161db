// SPDX-License-Identifier: BSL-1.0
// Process 1 of a container, which default actions do not kill, must end as well: else the container hangs for ever.
#include "faults.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>
#include <sched.h>

namespace process_one_test {
namespace {

using namespace posix_test;

// A child that is process 1 of a new namespace; by way of a user namespace where the caller has no privilege.
pid_t fork_as_process_one() {
  if (unshare(CLONE_NEWPID) == 0) return fork();
  return static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
}

template <class F>
outcome as_process_one(F body) {
  return in_child([&] {
    const pid_t child = fork_as_process_one();
    must(child >= 0,
         "this test needs a PID namespace: run it as root, or allow unprivileged user namespaces "
         "(kernel.unprivileged_userns_clone, user.max_user_namespaces; in a container: CAP_SYS_ADMIN)");
    if (child == 0) {
      become_a_test_child();
      must(getpid() == 1, "process 1 of its namespace");
      boot(the_machine<>);
      const cpu_guard cpu(0);
      body();
      _exit(0);
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child, "process 1 ends");
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  });
}

TEST(process_one, ends_after_a_panic_without_an_image) {
  const outcome o = as_process_one([] { the_machine<>.panic("the container is done"); });
  EXPECT_TRUE(o.exited_with(128 + SIGABRT)) << o;
}

TEST(process_one, ends_after_abort) {
  const outcome o = as_process_one([] { abort(); });
  EXPECT_TRUE(o.exited_with(128 + SIGABRT)) << o;
}

TEST(process_one, dies_of_its_fault) {
  const outcome o = as_process_one([] { touch(nowhere()); });
  EXPECT_TRUE(o.exited_with(128 + SIGSEGV)) << o;  // an exit is with 128 + SIGABRT
}

TEST(process_one, ends_although_other_threads_sleep) {
  const outcome o = as_process_one([] {
    start_cpu(1, [] { sleep_for_ever(); });
    the_machine<>.panic("the container is done");
  });
  EXPECT_TRUE(o.exited_with(128 + SIGABRT)) << o;
}

TEST(process_one, becomes_the_capture_program) {
  const capture_room room;
  const outcome o = as_process_one([] {
    load_capture(the_machine<>);
    touch(nowhere());
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().pid, 1);
  EXPECT_STREQ(room.result().record[0].message, "SIGSEGV at 0x10");
}

}  // namespace
}  // namespace process_one_test
