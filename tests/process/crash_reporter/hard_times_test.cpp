// SPDX-License-Identifier: BSL-1.0
// Limits, sandboxes, and a machine that lacks something.
#include "died.hpp"

namespace hard_times_test {
namespace {

using namespace crash_reporter_test;

class hard_times : public testing::Test {
 protected:
  outcome report_in(const char* scenario) {
    outcome o = died_in(scenario, core());
    EXPECT_TRUE(o.died_of(SIGSEGV)) << scenario << ": " << o;
    EXPECT_TRUE(is_one_whole_report(o)) << scenario << ": " << o;
    return o;
  }
  // Its report goes to that file, too; no core is asked for.
  outcome died_with_its_report_in_core(const char* scenario) {
    setenv("LASTCPU_TEST_REPORT_PATH", core().c_str(), 1);
    outcome o = died_in(scenario);
    unsetenv("LASTCPU_TEST_REPORT_PATH");
    return o;
  }
  void expect_one_report_that_is_given_up() {
    const outcome o = died_with_its_report_in_core("plain");
    EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
    EXPECT_TRUE(has(o, "the report has made no progress for 1 s and is given up")) << o;
    EXPECT_TRUE(is_one_whole_report(o)) << o;
  }
  [[nodiscard]] std::string core() const { return here_.file("core"); }

 private:
  folder here_;
};

TEST_F(hard_times, every_descriptor_closed_by_the_program_costs_nothing) {
  EXPECT_TRUE(has(report_in("without_descriptors"), "core: "));
}

TEST_F(hard_times, a_descriptor_that_is_a_clients_connection_now_gets_no_report) {
  const outcome o = died_in("stderr_is_a_connection");
  EXPECT_TRUE(has(o, "nothing came to the client\n")) << o;
}

TEST_F(hard_times, a_descriptor_that_is_a_clients_connection_now_gets_no_last_words_either) {
  ASSERT_EQ(mkfifo(core().c_str(), 0600), 0);  // to open it for writing waits for a reader
  const outcome o = died_with_its_report_in_core("stderr_is_a_connection");
  EXPECT_TRUE(has(o, "nothing came to the client\n")) << o;
}

TEST_F(hard_times, no_descriptor_left_still_gives_a_core) {
  EXPECT_TRUE(has(report_in("no_descriptors"), "core: "));
}

TEST_F(hard_times, a_file_size_of_0_gives_a_report_that_says_so) {
  const outcome o = report_in("no_file_size");
  EXPECT_TRUE(has(o, ": the limit on file size (EFBIG); see ulimit -f\n")) << o;
  EXPECT_FALSE(exists(core())) << "an empty file helps nobody";
}

TEST_F(hard_times, where_no_process_can_be_started_the_crashing_thread_reports) {
  const outcome o = report_in("no_processes");
  EXPECT_TRUE(has(o, "no process could be started: too many processes (EAGAIN); see ulimit -u\n")) << o;
  EXPECT_TRUE(has(o, "core: ")) << o;
}

TEST_F(hard_times, where_a_sandbox_refuses_processes_the_crashing_thread_reports) {
  const outcome o = report_in("seccomp_refuses_processes");
  EXPECT_TRUE(has(o, "no process could be started: not permitted (EPERM)\n")) << o;
  EXPECT_TRUE(has(o, "3 stopped by signal\n")) << o;
  EXPECT_TRUE(exists(core()));
}

TEST_F(hard_times, a_sandbox_that_kills_for_what_the_report_does_leaves_a_bare_report_and_the_signal) {
  const outcome o = report_in("seccomp_kills_for_ptrace");
  EXPECT_TRUE(has(o, "SIGSEGV (invalid memory access) at 0x10: nothing is mapped there (SEGV_MAPERR)\n  at 0x")) << o;
  EXPECT_TRUE(has(o, "the capture process has ended early, by signal 31, of a sandbox: ")) << o;
}

TEST_F(hard_times, a_sandbox_that_traps_a_question_about_files_leaves_a_bare_report_and_the_signal) {
  const outcome o = report_in("seccomp_traps_fstat");
  EXPECT_TRUE(has(o, "SIGSEGV (invalid memory access) at 0x10: nothing is mapped there (SEGV_MAPERR)\n  at 0x")) << o;
  EXPECT_TRUE(has(o, "the capture process has ended early, by signal 31, of a sandbox: ")) << o;
}

TEST_F(hard_times, in_a_root_without_proc_the_report_says_what_it_lacks) {
  const outcome o = report_in("in_an_empty_root");
  EXPECT_TRUE(has(o, "threads that neither crashed nor registered are unknown")) << o;
  EXPECT_TRUE(has(o, "no core: the map of the memory can't be read: no such directory (ENOENT)\n")) << o;
}

class hard_times_in_place : public hard_times {
 protected:
  hard_times_in_place() { setenv("LASTCPU_TEST_IN_PLACE", "1", 1); }
  ~hard_times_in_place() override { unsetenv("LASTCPU_TEST_IN_PLACE"); }
  outcome report_in(const char* scenario) {
    outcome o = hard_times::report_in(scenario);
    EXPECT_TRUE(has(o, "reported by the crashing thread itself")) << o;
    return o;
  }
};

TEST_F(hard_times_in_place, a_file_size_of_0_gives_a_report_that_says_so_and_the_signal) {
  const outcome o = report_in("no_file_size");
  EXPECT_TRUE(has(o, ": the limit on file size (EFBIG); see ulimit -f\n")) << o;
  EXPECT_FALSE(exists(core())) << "an empty file helps nobody";
}

TEST_F(hard_times_in_place, in_a_root_without_proc_the_report_says_what_it_lacks) {
  const outcome o = report_in("in_an_empty_root");
  EXPECT_TRUE(has(o, "threads that neither crashed nor registered are unknown")) << o;
  EXPECT_TRUE(has(o, "no core: the map of the memory can't be read: no such directory (ENOENT)\n")) << o;
}

TEST_F(hard_times_in_place, one_in_a_wait_that_nothing_interrupts_is_named_and_waited_for_no_longer_than_its_budget) {
  const long start = posix_test::now_ms();
  const outcome o = report_in("uninterruptible_thread");
  EXPECT_TRUE(has(o, "SILENT, in a wait of the kernel that nothing interrupts (D)\n")) << o;
  EXPECT_TRUE(exists(core())) << "of the others";
  EXPECT_LT(posix_test::now_ms() - start, 1900) << "the wait itself takes 2 s";
}

TEST_F(hard_times_in_place, no_core_is_written_where_the_kernel_does_not_say_what_is_kept_out_of_one) {
  const outcome o = report_in("without_smaps");
  EXPECT_TRUE(has(o, "no core: this kernel does not say what is to be kept out of one (/proc/self/smaps)\n")) << o;
  EXPECT_FALSE(exists(core()));
}

TEST_F(hard_times, a_process_that_must_not_be_dumped_is_not) {
  const outcome o = report_in("not_dumpable");
  EXPECT_TRUE(has(o, "no core: the process has changed its user, or forbids it (PR_SET_DUMPABLE)\n")) << o;
  EXPECT_FALSE(exists(core()));
}

TEST_F(hard_times, a_small_signal_stack_is_enough) {
  EXPECT_TRUE(has(report_in("small_signal_stack"), "core: "));
}

TEST_F(hard_times, a_report_that_can_not_be_written_ends_by_its_budget_with_a_short_one) {
  ASSERT_EQ(mkfifo(core().c_str(), 0600), 0);  // to open it for writing waits for a reader
  const long start = posix_test::now_ms();
  expect_one_report_that_is_given_up();
  EXPECT_LT(posix_test::now_ms() - start, 5000);
}

TEST_F(hard_times, a_report_that_is_stuck_between_its_descriptor_and_its_file_has_one_head) {
  ASSERT_EQ(mkfifo(core().c_str(), 0600), 0);
  const int full = open(core().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  while (write(full, "full", 4) == 4) {
  }
  expect_one_report_that_is_given_up();
  close(full);
}

TEST_F(hard_times, a_report_whose_file_takes_no_last_line_has_one_in_its_descriptor) {
  ASSERT_EQ(mkfifo(core().c_str(), 0600), 0);
  const int nearly_full = open(core().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const std::string page(4096, 'p');
  ASSERT_EQ(fcntl(nearly_full, F_SETPIPE_SZ, 8192), 8192);  // room for the first piece of the report
  ASSERT_EQ(write(nearly_full, page.data(), page.size()), 4096);
  expect_one_report_that_is_given_up();
  close(nearly_full);
}

}  // namespace
}  // namespace hard_times_test
