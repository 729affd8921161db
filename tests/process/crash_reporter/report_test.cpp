// SPDX-License-Identifier: BSL-1.0
// The report's words, and the signal that the parent sees.
#include "died.hpp"

namespace report_test {
namespace {

using namespace crash_reporter_test;

struct crash {
  const char* scenario;
  int signal;
  const char* words;
};

TEST(crash_report, says_the_signal_and_its_code_in_words_and_the_parent_sees_that_signal) {
  constexpr crash crashes[] = {
      {"plain", SIGSEGV, "SIGSEGV (invalid memory access) at 0x10: nothing is mapped there (SEGV_MAPERR)\n"},
      {"abort", SIGABRT, "SIGABRT (abort): sent by tgkill(), as abort() and raise() do (SI_TKILL), by process "},
      {"divide", SIGFPE, ": integer divided by zero (FPE_INTDIV)\n"},
      {"trap", SIGILL, "SIGILL (illegal instruction) at 0x"},
      {"breakpoint", SIGTRAP, "SIGTRAP (trap): breakpoint (SI_KERNEL)\n"},
      {"cut_file", SIGBUS, "no memory behind the mapping; a file that was cut, for example (BUS_ADRERR)\n"},
      {"refused_call", SIGSYS, "a seccomp filter refuses the system call (SYS_SECCOMP), number "},
      {"killed_from_outside", SIGSEGV, "SIGSEGV (invalid memory access): sent by kill() (SI_USER), by process "},
      {"not_canonical", SIGSEGV, "a protection fault; the kernel names no address: one that is not canonical"},
      {"wild_jump", SIGSEGV, "0x1234 (nothing is mapped there)\n"},
  };
  for (const crash& c : crashes) {
    const outcome o = died_in(c.scenario);
    EXPECT_TRUE(o.died_of(c.signal)) << c.scenario << ": " << o;
    EXPECT_TRUE(is_one_whole_report(o)) << c.scenario << ": " << o;
    EXPECT_TRUE(has(o, c.words)) << c.scenario << ": " << o;
  }
}

TEST(crash_report, has_one_whole_value_of_an_annotation_that_is_being_set) {
  for (int i = 0; i < 5; ++i) {
    const outcome o = died_in("annotating");
    EXPECT_TRUE(has(o, "note letters: " + std::string(150, 'a') + "\n") ||
                has(o, "note letters: " + std::string(150, 'b') + "\n"))
        << o;
  }
}

TEST(crash_report, has_the_program_its_note_and_where_each_thread_was) {
  const outcome o = died_in("plain");
  EXPECT_TRUE(has(o, "*** crash_reporter_victim[")) << o;
  EXPECT_TRUE(has(o, "note: a note of the victim\n")) << o;
  EXPECT_TRUE(has(o, "  #0  0x")) << o;
  EXPECT_TRUE(has(o, " crash_reporter_victim+0x")) << o;
  EXPECT_TRUE(has(o, "4 threads, 1 crashed, 3 stopped by signal\n")) << o;
  EXPECT_EQ(count(o.output, " worker "), 3u) << o;
}

TEST(crash_report, names_the_functions_that_led_to_the_crash) {
  const outcome aborted = died_in("abort");
  for (const char* name : {" abort\n", " _ZN6victim10abort_hereEv\n", " main\n"})
    EXPECT_TRUE(has(aborted, name)) << name << aborted;
  const outcome wild = died_in("wild_jump");
  EXPECT_TRUE(has(wild, "wild_jump")) << "who has called the wrong address: " << wild;
}

TEST(crash_report, of_four_threads_that_crash_at_once_is_one_with_what_each_said) {
  for (int i = 0; i < 4; ++i) {
    const outcome o = died_in("four_crash");
    EXPECT_TRUE(o.died_of(SIGSEGV) || o.died_of(SIGABRT) || o.died_of(SIGFPE) || o.died_of(SIGILL)) << o;
    EXPECT_TRUE(is_one_whole_report(o)) << o;
    EXPECT_TRUE(has(o, "8 threads, ")) << o;
    EXPECT_FALSE(has(o, "SILENT")) << o;
  }
}

TEST(crash_report, goes_to_a_file_as_well) {
  const folder here;
  setenv("LASTCPU_TEST_REPORT_PATH", here.file("%e.%p%%").c_str(), 1);
  const outcome o = died_in("plain");
  unsetenv("LASTCPU_TEST_REPORT_PATH");
  const size_t at = o.output.find('[');
  ASSERT_NE(at, std::string::npos) << o;
  const std::string pid = o.output.substr(at + 1, o.output.find(']') - at - 1);
  EXPECT_EQ(output_of({"cat", here.file("crash_reporter_victim." + pid + "%")}), o.output);
}

TEST(crash_report, of_an_overflowed_stack_is_made_where_the_thread_has_a_signal_stack) {
  for (const char* scenario : {"overflow", "overflow_in_a_thread"}) {
    const outcome o = died_in(scenario);
    EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
    EXPECT_TRUE(is_one_whole_report(o)) << o;
    EXPECT_TRUE(has(o, "  ...\n")) << "more frames than are shown: " << o;
  }
}

}  // namespace
}  // namespace report_test
