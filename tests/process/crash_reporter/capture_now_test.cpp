// SPDX-License-Identifier: BSL-1.0
// A report and a core without a crash.
#include <lastcpu/process/crash_reporter.hpp>

#include "died.hpp"

namespace capture_now_test {
namespace {

using namespace crash_reporter_test;

TEST(capture_now, reports_every_thread_and_the_process_goes_on_to_crash_later) {
  const folder here;
  const outcome o = died_in("captured_twice", here.file("core"));
  EXPECT_EQ(count(o.output, "] goes on ***\nreason: a test?\n"), 2u) << o;
  EXPECT_EQ(count(o.output, " asks for this report\n"), 2u) << o;
  EXPECT_EQ(count(o.output, "6 threads, 1 asks, 5 stopped by ptrace\n"), 2u) << o;
  EXPECT_EQ(count(o.output, "it is captured\n"), 2u) << o;
  EXPECT_TRUE(has(o, "it goes on\n")) << o;
  EXPECT_EQ(count(o.output, "has crashed ***\n"), 1u) << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  const std::string said =
      output_of({"gdb", "-nx", "-batch", LASTCPU_TEST_VICTIM, here.file("core.now"), "-ex", "thread apply all bt"});
  EXPECT_EQ(count(said, "\nThread "), 6u) << said;
  EXPECT_EQ(count(said, " victim::idle_here () at"), 4u) << said;
  EXPECT_NE(said.find("say_captured"), std::string::npos) << said;
}

TEST(capture_now, gives_way_to_a_crash) {
  const folder here;
  for (int i = 0; i < 20; ++i) {
    const outcome o = died_in("crash_while_captured", here.file("core"));
    EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
    EXPECT_EQ(count(o.output, "has crashed ***\n"), 1u) << o;
    EXPECT_TRUE(has(o, "5 threads, 1 crashed, 4 stopped by signal\n")) << o;
    EXPECT_NE(o.output.rfind("*** end of report ***\n"), std::string::npos) << o;
    EXPECT_GT(o.output.rfind("*** end of report ***\n"), o.output.rfind("has crashed ***\n")) << o;
  }
}

TEST(capture_now, loses_no_signal_of_a_thread_that_it_stops) {
  const outcome o = died_in("captured_among_signals");
  EXPECT_FALSE(has(o, "a signal was lost")) << o;
  EXPECT_EQ(count(o.output, "it is captured\n"), 40u) << o;
}

TEST(capture_now, says_who_could_not_be_stopped) {
  const outcome o = died_in("captured_without_ptrace");
  EXPECT_TRUE(has(o, "4 threads, 1 asks, 3 SILENT: may still run\n")) << o;
  EXPECT_TRUE(has(o, "it is captured, but some threads could not be stopped; the report names them\n")) << o;
}

TEST(capture_now, keeps_no_memory_of_a_capture) {
  EXPECT_TRUE(has(died_in("captured_often"), "grown by 0 pages\n"));
}

TEST(capture_now, runs_no_handler_of_the_program_in_its_own_process) {
  EXPECT_TRUE(has(died_in("captured_in_a_group"), "handled by another process: 0\n"));
}

TEST(capture_now, says_what_is_missing_without_a_reporter) {
  EXPECT_EQ(lastcpu::capture_now("x"), lastcpu::capture_outcome::not_installed);
  for (int i = 0; i <= static_cast<int>(lastcpu::capture_outcome::given_up); ++i)
    EXPECT_STRNE(lastcpu::to_string(static_cast<lastcpu::capture_outcome>(i)), "unknown");
}

}  // namespace
}  // namespace capture_now_test
