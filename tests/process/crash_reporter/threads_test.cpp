// SPDX-License-Identifier: BSL-1.0
// Every other thread is stopped, or named.
#include "died.hpp"

#include <thread>

namespace threads_test {
namespace {

using namespace crash_reporter_test;

// The same with a report that waits 250 ms for the reader of its file.
outcome died_slowly_in(const char* scenario, const std::string& core = {}) {
  const folder here;
  const std::string path = here.file("report");
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
  setenv("LASTCPU_TEST_REPORT_PATH", path.c_str(), 1);
  std::thread reader([&path] {
    posix_test::sleep_ms(250);
    (void)!system(("exec timeout 2 cat '" + path + "' >/dev/null").c_str());
  });
  outcome o = died_in(scenario, core);
  reader.join();
  unsetenv("LASTCPU_TEST_REPORT_PATH");
  return o;
}

// Here it waits for a reader for good, until somebody kills the capture process.
outcome died_with_a_killed_capture_in(const char* scenario, const std::string& core = {}) {
  const folder here;
  const std::string path = here.file("report");
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
  setenv("LASTCPU_TEST_REPORT_PATH", path.c_str(), 1);
  outcome o = died_in(scenario, core);
  unsetenv("LASTCPU_TEST_REPORT_PATH");
  return o;
}

void expect_report(const outcome& o, const char* words) {
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_TRUE(has(o, words)) << o;
}

TEST(crash_threads, one_that_masks_every_signal_is_stopped_by_ptrace) {
  expect_report(died_in("masked_thread"), "5 threads, 1 crashed, 3 stopped by signal, 1 stopped by ptrace\n");
}

TEST(crash_threads, one_that_masks_every_signal_is_named_silent_where_ptrace_is_refused) {
  expect_report(died_in("seccomp_refuses_ptrace"), "SILENT, and may not be traced: not permitted (EPERM)\n");
}

TEST(crash_threads, on_stacks_without_room_for_a_signal_are_stopped_by_ptrace_when_asked) {
  expect_report(died_in("small_stack"), "5 threads, 1 crashed, 4 stopped by ptrace\n");
}

TEST(crash_threads, are_stopped_by_signal_where_ptrace_is_asked_and_refused) {
  setenv("LASTCPU_TEST_PTRACE", "1", 1);
  const outcome plain = died_in("plain");
  const outcome refused = died_in("seccomp_refuses_ptrace");
  unsetenv("LASTCPU_TEST_PTRACE");
  expect_report(plain, "4 threads, 1 crashed, 3 stopped by ptrace\n");
  expect_report(refused, "5 threads, 1 crashed, 3 stopped by signal, 1 SILENT: may still run\n");
}

TEST(crash_threads, more_than_the_library_has_cpus_are_all_in_the_report) {
  expect_report(died_in("many_threads"), "1104 threads, 1 crashed, 1103 stopped by signal\n");
}

TEST(crash_threads, those_that_start_threads_are_stopped_with_all_that_they_start) {
  for (int i = 0; i < 4; ++i) {
    const outcome o = died_slowly_in("breeding_threads");
    expect_report(o, " threads, 1 crashed, ");
    EXPECT_FALSE(has(o, "SILENT")) << o;
    EXPECT_FALSE(has(o, "a thread was not stopped")) << o;
  }
}

TEST(crash_threads, one_in_a_wait_that_nothing_interrupts_is_named_and_waited_for_no_longer_than_its_budget) {
  const long start = posix_test::now_ms();
  expect_report(died_in("uninterruptible_thread"), "SILENT, in a wait of the kernel that nothing interrupts (D)\n");
  EXPECT_LT(posix_test::now_ms() - start, 1900) << "the wait itself takes 2 s";
}

TEST(crash_threads, a_process_that_is_stopped_and_continued_meanwhile_reports_all_the_same) {
  expect_report(died_slowly_in("stopped_and_continued"), "4 threads, 1 crashed, ");
}

TEST(crash_threads, a_watchdogs_aborts_from_outside_do_not_disturb_the_report) {
  const outcome o = died_slowly_in("watchdog");
  EXPECT_TRUE(o.died_of(SIGSEGV) || o.died_of(SIGABRT)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

TEST(crash_threads, an_abort_that_another_thread_has_sent_to_the_process_does_not_disturb_the_report) {
  const outcome o = died_slowly_in("aborts_sent_by_own_process");
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  if (o.died_of(SIGABRT))  // on a busy machine the first ones come before the crash, and are crashes then
    EXPECT_TRUE(has(o, "\n4 threads, ")) << o;
  else
    expect_report(o, "4 threads, 1 crashed, 3 stopped by signal\n");
}

TEST(crash_threads, the_one_of_main_that_has_ended_is_not_called_silent) {
  expect_report(died_in("leader_gone"), "5 threads, 1 crashed, 3 stopped by signal, 1 ended meanwhile\n");
}

TEST(crash_threads, a_capture_process_that_is_killed_leaves_a_bare_report_and_the_signal) {
  expect_report(died_with_a_killed_capture_in("capture_is_killed"),
                "the capture process has ended early, by signal 9: ");
}

TEST(crash_threads, a_capture_process_that_is_killed_leaves_a_core_of_every_thread_by_another_one) {
  const folder here;
  const std::string core = here.file("core");
  expect_report(died_with_a_killed_capture_in("capture_is_killed_beside_a_masked_thread", core),
                ("core: " + core).c_str());
  const std::string said = output_of({"gdb", "-nx", "-batch", LASTCPU_TEST_VICTIM, core, "-ex", "thread apply all bt"});
  EXPECT_EQ(count(said, "\nThread "), 5u) << said;
  EXPECT_EQ(count(said, " victim::idle_here () at"), 4u) << "the masked one, which ran in between, too: " << said;
}

TEST(crash_threads, a_capture_process_that_is_killed_leaves_a_core_where_no_descriptor_is_left) {
  const folder here;
  const std::string core = here.file("core");
  expect_report(died_with_a_killed_capture_in("capture_is_killed_without_descriptors", core),
                ("core: " + core).c_str());
  EXPECT_TRUE(exists(core));
}

TEST(crash_threads, a_capture_process_that_is_killed_leaves_a_core_whose_long_path_is_said_twice_whole) {
  const folder here;
  std::string core = here.file("core");
  while (core.size() < 700) {
    core.replace(core.rfind('/'), std::string::npos, "/" + std::string(200, 'a'));
    ASSERT_EQ(mkdir(core.c_str(), 0700), 0);
    core += "/core";
  }
  const outcome o = died_with_a_killed_capture_in("capture_is_killed", core);
  expect_report(o, ("core: " + core + ", ").c_str());
  EXPECT_TRUE(has(o, "  gdb crash_reporter_victim " + core + "\n*** end of report ***\n")) << o;
}

TEST(crash_threads, a_capture_process_that_is_killed_leaves_its_bare_report_where_the_core_is_stuck) {
  const folder here;
  const outcome o = died_with_a_killed_capture_in("capture_is_killed_and_the_core_is_stuck", here.file("core"));
  expect_report(o, "note: a note of the victim\n");
  EXPECT_TRUE(has(o, "the capture process has ended early, by signal 9: ")) << o;
  EXPECT_TRUE(has(o, "the core has made no progress for 1 s and is given up")) << o;
}

// What becomes another program just when it is asked to stop dies of the signal that asks: nobody can take that back.
TEST(crash_threads, that_end_the_process_at_the_same_moment_leave_a_whole_report_or_none_and_no_hang) {
  for (const char* scenario : {"exit_at_the_same_moment", "exec_at_the_same_moment"})
    for (int i = 0; i < 5; ++i) {
      const outcome o = died_in(scenario);
      const bool ended = o.exited_with(7) || o.exited_with(0) || o.died_of(SIGRTMAX - 1);
      EXPECT_TRUE(ended || (o.died_of(SIGSEGV) && is_one_whole_report(o))) << scenario << ": " << o;
    }
}

TEST(crash_threads, timers_of_the_process_do_not_reach_the_report) {
  expect_report(died_in("profiled"), "4 threads, 1 crashed, 3 stopped by signal\n");
  expect_report(died_slowly_in("default_timers"), "4 threads, 1 crashed, 3 stopped by signal\n");
}

TEST(crash_threads, timers_do_not_reach_the_report_where_a_handler_in_front_calls_ours_with_its_own_mask) {
  expect_report(died_slowly_in("handler_in_front"), "4 threads, 1 crashed, 3 stopped by signal\n");
}

}  // namespace
}  // namespace threads_test
