// SPDX-License-Identifier: BSL-1.0
// Other handlers in the same process, and options that can't be.
#include "died.hpp"

#include "../../support/sanitizers.hpp"

namespace neighbours_test {
namespace {

using namespace crash_reporter_test;

TEST(install_crash_reporter, refuses_a_second_one) {
  const outcome o = died_in("twice");
  EXPECT_TRUE(has(o, "the crash reporter is installed already; uninstall_crash_reporter() comes before")) << o;
}

TEST(install_crash_reporter, refuses_a_signal_that_has_a_handler_and_names_whose_it_is) {
  const outcome o = died_in("earlier_refused");
  EXPECT_TRUE(has(o, "SIGSEGV is handled by " LASTCPU_TEST_VICTIM " already; say with `earlier`")) << o;
}

TEST(install_crash_reporter, refuses_options_that_can_not_be_and_names_the_remedy) {
  const outcome o = died_in("wrong_options");
  EXPECT_EQ(count(o.output, "refused: "), 8u) << o;
  for (const char* words : {
           "refused: no signal is named; leave `signals` out",
           "refused: signal 15 reports no crash; use SIGSEGV, ",
           "refused: stop_signal 10 is no real-time signal; use one from SIGRTMIN to SIGRTMAX, or 0",
           "refused: report_fd -2 is no descriptor; use -1 for none",
           "refused: the note has 201 bytes; 200 are kept",
           "refused: a budget of 0 ms leaves no time; leave it out",
           "refused: core_path '/no/such/folder/core': nothing can be written to '/no/such/folder/': ",
           "refused: report_path is longer than ",
       })
    EXPECT_TRUE(has(o, words)) << words << "\n" << o;
}

TEST(earlier_handler, is_replaced_when_asked) {
  const outcome o = died_in("earlier_replaced");
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_FALSE(has(o, "the earlier handler was called")) << o;
}

TEST(earlier_handler, that_is_asked_first_recovers_and_what_it_gives_up_is_reported) {
  const outcome o = died_in("earlier_asked_first");
  EXPECT_TRUE(has(o, "recovered 1000 times\n")) << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

// Go's ends the process by itself, and glibc ends it behind any handler that returns.
TEST(earlier_handler, that_is_asked_first_is_not_asked_of_an_abort_of_its_own_process) {
  const outcome o = died_in("abort_asked_first");
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_FALSE(has(o, "the earlier handler was called")) << o;
}

TEST(earlier_handler, that_is_asked_first_is_asked_of_an_abort_that_is_sent_from_outside) {
  const outcome o = died_in("abort_from_outside_asked_first");
  EXPECT_TRUE(o.exited_with(5)) << o;
  EXPECT_FALSE(has(o, "has crashed")) << o;
}

TEST(earlier_handler, that_is_called_last_comes_behind_the_report) {
  const outcome o = died_in("earlier_called_last");
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_TRUE(has(o, "*** end of report ***\nthe earlier handler was called\n")) << o;
  EXPECT_TRUE(o.exited_with(5)) << o;
}

TEST(earlier_handler, that_is_called_last_and_returns_leaves_no_process_without_its_threads) {
  const outcome o = died_in("earlier_called_last_that_returns");
  EXPECT_TRUE(has(o, "*** end of report ***\nthe earlier handler returns\n")) << o;
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

TEST(earlier_handler, keeps_its_signal_when_asked) {
  const outcome o = died_in("earlier_left");
  EXPECT_TRUE(o.exited_with(5)) << o;
  EXPECT_FALSE(has(o, "has crashed")) << o;
}

TEST(earlier_handler, of_every_signal_that_is_left_leaves_nothing_to_report_and_that_is_said) {
  const outcome o = died_in("everything_left");
  EXPECT_TRUE(has(o, "refused: every signal is handled already and left to its handler: nothing remains to report\n"))
      << o;
}

TEST(first_chance, decides_what_is_no_crash) {
  const outcome o = died_in("first_chance");
  EXPECT_TRUE(has(o, "went on\n")) << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

TEST(first_chance, may_leave_an_abort_by_a_jump_where_an_earlier_handler_is_not_asked) {
  const outcome o = died_in("abort_left_by_a_jump");
  EXPECT_TRUE(has(o, "went on behind the abort\n")) << o;
  EXPECT_FALSE(has(o, "the earlier handler was called")) << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

TEST(still_installed, says_who_has_taken_a_signal_since_and_uninstall_leaves_it_there) {
  const outcome o = died_in("signal_taken_later");
  EXPECT_TRUE(has(o, "at first: ''\n")) << o;
  EXPECT_TRUE(has(o, "then: 'SIGBUS is not the crash reporter's any more: it is handled by ")) << o;
  EXPECT_TRUE(has(o, "uninstalled: 'SIGBUS stays with " LASTCPU_TEST_VICTIM)) << o;
}

TEST(uninstall_crash_reporter, gives_the_signals_back) {
  const outcome o = died_in("uninstalled");
  EXPECT_TRUE(o.exited_with(5)) << o;
  EXPECT_TRUE(has(o, "the earlier handler was called\n")) << o;
  EXPECT_FALSE(has(o, "has crashed")) << o;
}

TEST(uninstall_crash_reporter, lets_it_be_installed_again) {
  const outcome o = died_in("installed_again");
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}

TEST(stop_signal, that_somebody_handles_is_refused_and_a_free_one_is_found) {
  const outcome o = died_in("stop_signal_taken");
  EXPECT_TRUE(has(o, " is in use by " LASTCPU_TEST_VICTIM "; name another one, or 0\n")) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_TRUE(has(o, "2 threads, 1 crashed, 1 stopped by signal\n")) << o;
}

TEST(stop_signal, that_the_program_takes_later_stops_threads_all_the_same) {
  const outcome o = died_in("stop_signal_taken_later");
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(has(o, "2 threads, 1 crashed, 1 stopped by signal\n")) << o;
}

#if defined(LASTCPU_TEST_SANITIZED_VICTIM)
#if defined(LASTCPU_TEST_UNDER_ASAN)
TEST(sanitizer, keeps_the_signals_that_it_reports) {
  const outcome o = died(LASTCPU_TEST_SANITIZED_VICTIM, "fault");
  EXPECT_TRUE(has(o, "ERROR: AddressSanitizer: SEGV on unknown address")) << o;
  EXPECT_FALSE(has(o, "has crashed ***")) << o;
}
#endif

TEST(sanitizer, leaves_the_signals_that_it_does_not_report) {
  const outcome o = died(LASTCPU_TEST_SANITIZED_VICTIM, "abort");
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
}
#endif

#if defined(LASTCPU_TEST_C_VICTIM)
TEST(c_interface, does_what_cxx_does) {
  const folder here;
  const outcome o = died(LASTCPU_TEST_C_VICTIM, here.file("core").c_str());
  EXPECT_TRUE(has(o, "a wrong word: -1, earlier is 9; use one of LASTCPU_EARLIER_...\n")) << o;
  EXPECT_TRUE(has(o, "twice: -1, the crash reporter is installed already; uninstall_crash_report\n")) << "cut: " << o;
  EXPECT_TRUE(has(o, "no key: -1, the key is null or empty, ") && has(o, "note language: C99\n")) << o;
  EXPECT_TRUE(has(o, "spared 1\n")) << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(has(o, "] goes on ***\nreason: from C\n")) << o;
  EXPECT_EQ(count(o.output, "has crashed ***\n"), 1u) << o;
  EXPECT_EQ(count(o.output, "*** end of report ***\n"), 2u) << o;
  EXPECT_TRUE(has(o, "note: from C\n") && has(o, " crash_in_c\n")) << o;
  EXPECT_TRUE(has(o, "2 threads, 1 crashed, 1 stopped by signal\n")) << o;
  EXPECT_TRUE(exists(here.file("core")));
}
#endif

}  // namespace
}  // namespace neighbours_test
