// SPDX-License-Identifier: BSL-1.0
// What the capture program finds when it has taken the dying process's place.
#include "faults.hpp"
#include "machine.hpp"
#include "sandbox.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace capture_start_test {
namespace {

using namespace posix_test;

constexpr char last_words[] = "the end of the test";

template <class Before>
outcome crash_after(Before before) {
  return in_child([&] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    before();
    m.panic(last_words);
  });
}

TEST(capture_start, hands_over_the_notes_of_the_crashing_cpu) {
  const capture_room room;
  const outcome o = crash_after([] {});
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  ASSERT_EQ(r.ran, 1u);
  EXPECT_EQ(r.arguments, 2u);
  ASSERT_EQ(r.records, 1u) << r.option;
  EXPECT_EQ(r.record[0].cpu, 0u);
  EXPECT_EQ(r.record[0].crashing, 1u);
  EXPECT_EQ(r.record[0].state, stop_state::running);
  EXPECT_EQ(r.record[0].registers_valid, 1u);
  EXPECT_NE(r.record[0].registers.pc, 0u);
  EXPECT_STREQ(r.record[0].message, last_words);
}

TEST(capture_start, keeps_the_process_and_its_environment) {
  const capture_room room;
  shared<pid_t> pid;
  const outcome o = crash_after([&] {
    *pid = getpid();
    setenv(greeting_variable, "hello from before", 1);
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().pid, *pid);
  EXPECT_STREQ(room.result().greeting, "hello from before");
}

TEST(capture_start, begins_with_an_empty_signal_mask) {
  const capture_room room;
  const outcome o = crash_after([] {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().blocked, 0u);
}

TEST(capture_start, is_not_killed_by_a_stop_signal_that_is_pending) {
  const capture_room room;
  const outcome o = crash_after([] {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    for (const int s : {SIGUSR1, SIGUSR2}) {
      raise(s);
      kill(getpid(), s);
    }
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().pending, 0u);
}

TEST(capture_start, is_not_killed_by_a_stop_signal_that_comes_late) {
  const capture_room room;
  shared<pid_t> pid;
  std::thread late([&] {
    if (!eventually([&] { return room.ran(); })) return;
    for (const int s : {SIGUSR1, SIGUSR2}) kill(*pid, s);
  });
  const outcome o = crash_after([&] {
    *pid = getpid();
    setenv(linger_variable, "300", 1);
  });
  late.join();
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
}

// SIGTERM to a dying server, a timer that runs out: neither may end the process before it is captured, nor run a
// handler of the program on the CPU that is about to jump.
TEST(capture_start, is_not_prevented_by_other_signals_that_are_pending) {
  const capture_room room;
  shared<uint32_t> handler_ran;
  static shared<uint32_t>* const ran = &handler_ran;
  const outcome o = crash_after([] {
    signal(SIGALRM, [](int) { **ran = 1; });
    signal(SIGTERM, SIG_DFL);
    (void)posix::irq_save();
    for (const int s : {SIGTERM, SIGALRM}) {
      raise(s);
      kill(getpid(), s);
    }
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(*handler_ran, 0u) << "a handler of the program ran during the jump";
  EXPECT_EQ(room.result().ignored & bit(SIGTERM), 0u) << "the capture program can be terminated";
}

TEST(capture_start, keeps_ignoring_what_the_program_ignored) {
  const capture_room room;
  const outcome o = crash_after([] { signal(SIGHUP, SIG_IGN); });  // as under nohup
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().ignored & (bit(SIGHUP) | bit(SIGTERM)), bit(SIGHUP));
}

TEST(capture_start, works_although_the_file_was_deleted) {
  const capture_room room;
  std::string copy = testing::TempDir() + "lastcpu-copy-XXXXXX";
  const int fd = mkstemp(copy.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(copy, std::ios::binary) << std::ifstream(LASTCPU_TEST_CAPTURE, std::ios::binary).rdbuf();
  chmod(copy.c_str(), 0755);
  const outcome o = in_child([&] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    must(m.image().load(opened(copy.c_str())) == load_outcome::loaded, "the copy is loaded");
    unlink(copy.c_str());
    m.panic(last_words);
  });
  unlink(copy.c_str());
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_STREQ(room.result().record[0].message, last_words);
}

TEST(capture_start, ends_the_other_threads) {
  const capture_room room;
  const outcome o = crash_after([] {
    for (int i = 0; i < 4; ++i) std::thread([] { sleep_for_ever(); }).detach();
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().records, 1u) << "a thread without a cpu_guard is not in the notes";
}

// An ELF file that the kernel can't start: found out in the jump only.
class unstartable {
 public:
  unstartable() {
    const int fd = mkstemp(path_.data());
    must(fd >= 0, "a file");
    std::ofstream(path_, std::ios::binary) << std::ifstream(LASTCPU_TEST_CAPTURE, std::ios::binary).rdbuf();
    must(pwrite(fd, "\xff\xff", 2, 54) == 2, "no program headers");  // e_phentsize
    fchmod(fd, 0755);
    close(fd);
  }
  ~unstartable() { unlink(path_.c_str()); }
  unstartable(const unstartable&) = delete;
  unstartable& operator=(const unstartable&) = delete;
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  std::string path_ = testing::TempDir() + "lastcpu-bad-XXXXXX";
};

struct note_the_mask : panic_policy {
  static inline shared<uint64_t>* mask = nullptr;
  static void flush() noexcept { **mask = current_mask(); }
};
struct faulty_flush : note_the_mask {
  static void flush() noexcept {
    note_the_mask::flush();
    touch(nowhere());
  }
};

template <class Policy>
outcome jump_in_vain() {
  const unstartable file;
  return in_child([&] {
    auto& m = the_machine<posix, Policy>;
    boot(m);
    const cpu_guard cpu(0);
    must(m.image().load(opened(file.path())) == load_outcome::loaded, "it is loaded");
    lastcpu_test_illegal();
  });
}

TEST(capture_start, that_the_kernel_refuses_goes_on_with_interrupts_off_and_dies_of_the_fault) {
  shared<uint64_t> mask;
  note_the_mask::mask = &mask;
  const outcome o = jump_in_vain<note_the_mask>();
  EXPECT_TRUE(o.died_of(SIGILL)) << o;
  EXPECT_NE(*mask & bit(SIGTERM), 0u);
  EXPECT_NE(*mask & bit(SIGALRM), 0u);
}

TEST(capture_start, that_the_kernel_refuses_leaves_faults_to_the_crash_path) {
  shared<uint64_t> mask;
  note_the_mask::mask = &mask;
  const outcome o = jump_in_vain<faulty_flush>();
  EXPECT_NE(*mask, 0u) << "the flush ran";
  EXPECT_TRUE(o.died_of(SIGILL)) << "of the first fault, not of the one in the flush: " << o;
}

TEST(capture_start, works_with_an_environment_that_the_crash_has_damaged) {
  const outcome o = crash_after([] {
    static char* damaged[] = {reinterpret_cast<char*>(uintptr_t{16}), nullptr};
    environ = damaged;
  });
  EXPECT_TRUE(o.exited_with(1)) << "it starts, and does not find where its result goes: " << o;
}

TEST(capture_start, has_its_notes_although_no_file_may_grow) {
  const capture_room room;
  const outcome o = crash_after([] {
    rlimit files{};
    getrlimit(RLIMIT_FSIZE, &files);
    files.rlim_cur = sizeof(crash_note_header) + 10;
    setrlimit(RLIMIT_FSIZE, &files);
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  ASSERT_EQ(room.result().records, 1u);
  EXPECT_STREQ(room.result().record[0].message, last_words);
}

TEST(capture_start, that_the_kernel_refuses_says_so) {
  const outcome o = crash_after([] { answer_call_with(SYS_execveat, SECCOMP_RET_ERRNO | EACCES); });
  EXPECT_NE(o.output.find("lastcpu: the capture program could not be started: error 013 of exec\n"), std::string::npos)
      << o;
}

}  // namespace
}  // namespace capture_start_test
