// SPDX-License-Identifier: BSL-1.0
// Two libraries of one process that both install a crash reporter, each with its own copy of the header.
#include <lastcpu/process/crash_reporter.hpp>

#include <dlfcn.h>

#include "died.hpp"

namespace libraries_test {
namespace {

using namespace crash_reporter_test;
using lastcpu::earlier_handlers;

struct library {
  explicit library(const char* file) : handle(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) dprintf(STDERR_FILENO, "%s\n", dlerror());
  }
  void install(earlier_handlers earlier = earlier_handlers::refuse) const {
    reinterpret_cast<void (*)(int)>(dlsym(handle, "install_here"))(static_cast<int>(earlier));
  }
  void uninstall() const { reinterpret_cast<void (*)()>(dlsym(handle, "uninstall_here"))(); }
  void* handle;
};

void forget_handlers() {  // a sanitizer's
  for (const int n : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) signal(n, SIG_DFL);
}

TEST(two_libraries, get_one_reporter_whatever_the_second_asks_for_and_it_goes_on) {
  const outcome o = posix_test::in_child([] {
    forget_handlers();
    const library one(LASTCPU_TEST_LIBRARY_ONE), two(LASTCPU_TEST_LIBRARY_TWO);
    one.install();
    for (const auto e : {earlier_handlers::refuse, earlier_handlers::replace, earlier_handlers::ask_first,
                         earlier_handlers::call_last, earlier_handlers::leave})
      two.install(e);
    raise(SIGSEGV);
  });
  EXPECT_TRUE(has(o, "one: installed\n")) << o;
  EXPECT_EQ(count(o.output, "two: a crash reporter is installed already, by " LASTCPU_TEST_LIBRARY_ONE
                            "; a process has one: leave it to that library, or uninstall it there first\n"),
            5u)
      << o;
  EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  EXPECT_TRUE(is_one_whole_report(o)) << o;
  EXPECT_TRUE(has(o, "note: one\n")) << o;
}

TEST(two_libraries, may_take_turns) {
  const outcome o = posix_test::in_child([] {
    forget_handlers();
    const library one(LASTCPU_TEST_LIBRARY_ONE), two(LASTCPU_TEST_LIBRARY_TWO);
    one.install();
    one.uninstall();
    two.install();
    raise(SIGSEGV);
  });
  EXPECT_TRUE(has(o, "one: installed\none: uninstalled\ntwo: installed\n")) << o;
  EXPECT_TRUE(is_one_whole_report(o) && has(o, "note: two\n")) << o;
}

TEST(reporter_mark, is_in_the_handler_and_in_no_other_place) {
  using namespace lastcpu::reporter_detail;
  EXPECT_TRUE(is_of_a_reporter(reinterpret_cast<uintptr_t>(lastcpu_on_crash)));
  EXPECT_FALSE(is_of_a_reporter(reinterpret_cast<uintptr_t>(lastcpu_on_crash) - 16)) << "a short one in front of it";
  EXPECT_FALSE(is_of_a_reporter(reinterpret_cast<uintptr_t>(dlopen)));
  EXPECT_FALSE(is_of_a_reporter(0)) << "nothing is mapped there";
}

}  // namespace
}  // namespace libraries_test
