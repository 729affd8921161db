// SPDX-License-Identifier: BSL-1.0
// Children: each that has memory of its own reports for itself, each that shares its parent's leaves it alone.
#include "died.hpp"

namespace children_test {
namespace {

using namespace crash_reporter_test;

void expect_two_reports(const char* scenario) {
  const folder here;
  const outcome o = died_in(scenario, here.file("%p"));
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_EQ(count(o.output, "has crashed ***\n"), 2u) << o;
  EXPECT_EQ(count(o.output, "*** end of report ***\n"), 2u) << o;
  EXPECT_TRUE(has(o, "1 thread, 1 crashed\n")) << "the child's: " << o;
  EXPECT_TRUE(has(o, "4 threads, 1 crashed, 3 stopped by signal\n")) << "the parent's: " << o;
  EXPECT_TRUE(has(o, "the child died of 11\n")) << o;
  EXPECT_EQ(count(o.output, "core: "), 2u) << o;
}

TEST(crash_in_a_child, of_fork_is_reported_by_the_child_and_the_parents_crash_by_the_parent) {
  expect_two_reports("in_fork");
}

TEST(crash_in_a_child, that_the_c_library_does_not_know_of_is_reported_all_the_same) {
  expect_two_reports("in_bare_fork");
}

TEST(crash_in_a_child, of_a_child_is_reported) {
  const outcome o = died_in("grandchild");
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

TEST(crash_in_a_child, that_shares_its_parents_memory_kills_the_child_alone_and_leaves_the_parents_report_whole) {
  const outcome o = died_in("in_sharing_child");
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(has(o, "the child died of 11\n")) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_TRUE(has(o, "4 threads, 1 crashed, 3 stopped by signal\n")) << o;
}

TEST(crash_in_process_one, is_reported_and_ends_it) {
  const outcome fault = died_in("process_one_faults");
  EXPECT_TRUE(is_one_whole_report(fault)) << fault;
  EXPECT_TRUE(has(fault, "process 1 died of 11\n")) << fault;
  const outcome trap = died_in("process_one_traps");  // the next instruction would come without the other threads
  EXPECT_TRUE(trap.exited_with(77) || has(trap, "process 1 exited with 133\n")) << trap;
  const outcome aborted = died_in("process_one_aborts");
  EXPECT_TRUE(is_one_whole_report(aborted)) << aborted;
  EXPECT_TRUE(has(aborted, "process 1 exited with 134\n")) << aborted;
}

}  // namespace
}  // namespace children_test
