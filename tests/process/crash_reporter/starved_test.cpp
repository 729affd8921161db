// SPDX-License-Identifier: BSL-1.0
// A crash among threads that leave it no processor. Alone on the machine: they leave the others none either.
#include "died.hpp"

namespace starved_test {
namespace {

using namespace crash_reporter_test;

void expect_report_of_starved(const outcome& o) {
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_FALSE(has(o, "SILENT")) << o;
  EXPECT_TRUE(has(o, " stopped by signal")) << "the last words alone: " << o;
  EXPECT_FALSE(has(o, "given up")) << o;
}

TEST(starved_crash, among_real_time_threads_that_spin_on_every_processor_is_reported) {
  expect_report_of_starved(died_in("spinners"));
}

TEST(starved_crash, is_reported_in_place_too) {
  setenv("LASTCPU_TEST_IN_PLACE", "1", 1);
  const outcome o = died_in("spinners");
  unsetenv("LASTCPU_TEST_IN_PLACE");
  expect_report_of_starved(o);
  EXPECT_TRUE(has(o, "reported by the crashing thread itself")) << o;
}

}  // namespace
}  // namespace starved_test
