// SPDX-License-Identifier: BSL-1.0
// The signal stack of a CPU: large enough for the frames that the kernel writes, whatever it says they take, fenced below,
// and given back. A program of its own: what the kernel says is an answer of this test.
#include "machine.hpp"

#include "../../support/sanitizers.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>

#include <fstream>
#include <vector>

namespace signal_stack_test {
namespace {

// 0: what the kernel says.
unsigned long frame_bytes = 0;
bool frame_is_unknown = false;

}  // namespace

extern "C" unsigned long getauxval(unsigned long what) noexcept {
  if (what == AT_MINSIGSTKSZ && frame_is_unknown) return 0;
  if (what == AT_MINSIGSTKSZ && frame_bytes != 0) return frame_bytes;
  static const auto real = reinterpret_cast<unsigned long (*)(unsigned long)>(dlsym(RTLD_NEXT, "getauxval"));
  return real(what);
}

namespace {

using namespace posix_test;

[[nodiscard]] size_t page() {
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}
[[nodiscard]] stack_t signal_stack() {
  stack_t s{};
  must(sigaltstack(nullptr, &s) == 0, "a signal stack");
  return s;
}
[[nodiscard]] bool is_mapped(const void* at) {
  unsigned char there = 0;
  return mincore(const_cast<void*>(at), 1, &there) == 0;
}
/// Of the pages with these bytes, how many a store would have to ask the kernel for.
[[nodiscard, maybe_unused]] size_t absent_pages(const char* at, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(at) / page() * page();
  const auto end = (reinterpret_cast<uintptr_t>(at) + bytes + page() - 1) / page() * page();
  std::vector<unsigned char> there((end - first) / page());
  must(mincore(reinterpret_cast<void*>(first), end - first, there.data()) == 0, "it is mapped");
  size_t absent = 0;
  for (const unsigned char t : there) absent += (t & 1) == 0 ? 1u : 0u;
  return absent;
}

[[maybe_unused]] constexpr size_t frames_in_a_panic = 24, work = 128 * 1024, work_of_a_stop = 4096;

// A fault in every step of a panic, and an NMI, each with a frame of this size.
TEST(signal_stack, has_room_for_every_frame_of_a_panic_and_its_work) {
  for (const size_t frame : {size_t{2048}, size_t{3632}, size_t{11952}, size_t{65536}}) {
    const auto o = in_child([frame] {
      frame_bytes = frame;
      const cpu_guard cpu(2);
      const size_t needed = frames_in_a_panic * frame + work;
      must(signal_stack().ss_size >= needed, "enough");
      must(signal_stack().ss_size < needed + 2 * page(), "and not much more");
      must(signal_stack().ss_size % page() == 0, "of whole pages");
    });
    EXPECT_TRUE(o.succeeded()) << frame << ": " << o;
  }
}

TEST(signal_stack, has_16_kib_for_a_frame_where_the_kernel_does_not_say) {
  const auto o = in_child([] {
    frame_is_unknown = true;
    const cpu_guard cpu(2);
    must(signal_stack().ss_size >= frames_in_a_panic * 16 * 1024 + work, "enough");
    must(signal_stack().ss_size < frames_in_a_panic * 16 * 1024 + work + 2 * page(), "and not much more");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

#if !defined(LASTCPU_TEST_UNDER_ASAN) && !defined(LASTCPU_POSIX_UNDER_TSAN)  // they may touch it themselves
TEST(signal_stack, has_the_frame_and_the_work_of_a_stop_in_memory_and_no_more) {
  const auto o = in_child([] {
    frame_bytes = 65536;
    const cpu_guard cpu(2);
    const stack_t s = signal_stack();
    const char* const end = static_cast<char*>(s.ss_sp) + s.ss_size;
    constexpr size_t present = 65536 + work_of_a_stop;
    must(absent_pages(end - present, present) == 0, "what a stop needs");
    const size_t rest = s.ss_size - present;
    must(absent_pages(static_cast<char*>(s.ss_sp), rest) == rest / page(), "what it does not need costs nothing");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}
#endif

TEST(signal_stack, has_one_guard_page_below_and_is_unmapped_with_it) {
  const char *bottom = nullptr, *top = nullptr;
  {
    const cpu_guard cpu(2);
    bottom = static_cast<char*>(signal_stack().ss_sp);
    top = bottom + signal_stack().ss_size;
    const auto o = in_child([bottom] {
      *const_cast<volatile char*>(bottom) = 1;
      *const_cast<volatile char*>(bottom - 1) = 1;
    });
    EXPECT_TRUE(o.died_of(SIGSEGV)) << "the byte below is not writable: " << o;
    const auto first = in_child([bottom] { *const_cast<volatile char*>(bottom) = 1; });
    EXPECT_TRUE(first.succeeded()) << "the lowest byte is: " << first;
    const auto last = in_child([top] { *const_cast<volatile char*>(top - 1) = 1; });
    EXPECT_TRUE(last.succeeded()) << "and the highest: " << last;
  }
  for (const char* at = bottom - page(); at < top; at += page()) EXPECT_FALSE(is_mapped(at)) << top - at;
}

// A program, or a language's runtime, may have a signal stack of its own.
TEST(signal_stack, of_the_program_is_in_place_again_afterwards_whatever_came_of_the_guard) {
  const auto o = in_child([] {
    static char own[64 * 1024];
    stack_t mine{};
    mine.ss_sp = own;
    mine.ss_size = sizeof own - 16;
    const auto expect_mine = [](const char* what) {
      const stack_t now = signal_stack();
      must(now.ss_sp == own && now.ss_size == sizeof own - 16 && now.ss_flags == 0, what);
    };
    must(sigaltstack(&mine, nullptr) == 0, "a signal stack of the program's");
    {
      const cpu_guard cpu(2);
      must(signal_stack().ss_sp != own, "the CPU has another one");
      const cpu_guard again(3);
      must(signal_stack().ss_sp != own, "and keeps it");
    }
    expect_mine("after a CPU");
    start_cpu(5, [] { sleep_for_ever(); });
    must(cpu_guard(5).status() == guard_status::number_taken, "that one is taken");
    expect_mine("after a guard that was refused");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signal_stack, of_nobody_is_disabled_again_afterwards) {
  const auto o = in_child([] {
    const stack_t none{nullptr, SS_DISABLE, 0};
    must(sigaltstack(&none, nullptr) == 0, "no signal stack");
    { const cpu_guard cpu(2); }
    must((signal_stack().ss_flags & SS_DISABLE) != 0, "none");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

#if !defined(LASTCPU_POSIX_UNDER_TSAN)  // whose runtime has a word to say on what a handler calls

[[nodiscard]] size_t mapped_bytes() {
  std::ifstream maps("/proc/self/statm");
  size_t pages = 0;
  maps >> pages;
  return pages * page();
}

// The kernel changes no signal stack that is in use.
TEST(signal_stack, that_is_in_use_stays_and_the_guard_says_that_there_is_none) {
  static guard_status status;
  static bool registered;
  static size_t more;
  const auto o = in_child([] {
    static char own[256 * 1024];
    stack_t mine{};
    mine.ss_sp = own;
    mine.ss_size = sizeof own;
    must(sigaltstack(&mine, nullptr) == 0, "a signal stack of the program's");
    struct sigaction action {};
    action.sa_flags = SA_ONSTACK;
    action.sa_handler = [](int) {
      const size_t before = mapped_bytes();
      const cpu_guard cpu(2);
      status = cpu.status();
      registered = posix::is_online(2);
      more = mapped_bytes() - before;
    };
    sigaction(SIGALRM, &action, nullptr);
    raise(SIGALRM);
    posix_detail::let_pending_handlers_run();
    must(status == guard_status::no_stack && !registered, "it says so");
    must(more == 0, "nothing stays mapped");
    must(signal_stack().ss_sp == own, "the stack in use is in place");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

#endif

}  // namespace
}  // namespace signal_stack_test
