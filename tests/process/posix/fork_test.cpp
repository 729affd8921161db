// SPDX-License-Identifier: BSL-1.0
// The child of a fork is a new machine, whatever the parent was doing, and nothing it does reaches the parent.
#include "faults.hpp"
#include "machine.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

namespace fork_test {
namespace {

using namespace posix_test;

// What another thread of the parent may be in the middle of.
struct slow_report : panic_policy {
  static inline constinit atomic<uint32_t> entered{}, may_go_on{};
  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {
    set_flag(entered);
    await_flag(may_go_on);
  }
};
auto& parent = the_machine<posix, slow_report>;

void hold_the_gate_on_trial() {
  start_cpu(1, [] {
    must(lastcpu::detail::inside::of(parent).gate.claim(hold::trial).won(), "the gate is free");
    await_flag(slow_report::may_go_on);
    must(lastcpu::detail::inside::of(parent).gate.release() == release_outcome::released, "the gate is given back");
    set_flag(slow_report::entered);
    sleep_for_ever();
  });
  must(eventually([] { return parent.gate().in_progress(); }), "the gate is held");
}

void panic_in_another_thread() {
  start_cpu(1, [] { parent.panic("parent's"); });
  await_flag(slow_report::entered);
}

[[nodiscard]] off_t notes_bytes(const capture_program& image) {
  struct stat s {};
  must(fstat(image.notes, &s) == 0, "the notes are there");
  return s.st_size;
}

void check_the_new_machine() {
  must(posix::this_cpu() == 0 && posix::is_online(0), "the forking thread keeps its number");
  must(tid_of(0) == gettid(), "under its new thread number");
  must(!posix::is_online(1), "nobody else is there");
  must(parent.gate().read().bits() == 0, "the gate is open");
  must(!parent.cpus().acknowledged(1), "nobody has stopped");
  must(parent.messages().state(1, panic_context::normal) == message_state::none, "nobody has said anything");
  must(parent.image().ready() && parent.image().held() == nullptr, "the capture program is loaded");
  must(posix_detail::all_sleepers() == 0, "nobody sleeps");
}

[[nodiscard]] int fork_and_wait(void (*in_the_child)()) {
  const pid_t child = fork();
  must(child >= 0, "a child");
  if (child == 0) {
    become_a_test_child();
    boot(parent);
    in_the_child();
    _exit(0);
  }
  int status = 0;
  must(waitpid(child, &status, 0) == child, "the child ends");
  return status;
}

// The child crashes with its notes, the parent after it with its own.
outcome child_then_parent(void (*busy)(), const capture_room& of_parent) {
  return in_child([&] {
    boot(parent);
    const cpu_guard cpu(0);
    const capture_program image = load_capture(parent);
    busy();
    const off_t notes = notes_bytes(image);
    const int status = fork_and_wait([] {
      check_the_new_machine();
      set_flag(slow_report::may_go_on);
      parent.panic("child's");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == capture_exit, "the child was captured");
    must(notes_bytes(image) == notes, "the parent's notes are untouched");
    must(parent.gate().in_progress() && parent.image().ready(), "the parent is where it was");
    setenv(result_variable, of_parent.name().c_str(), 1);
    slow_report::entered.store(0, order::release);
    set_flag(slow_report::may_go_on);
    if (busy == hold_the_gate_on_trial) {
      await_flag(slow_report::entered);
      parent.panic("parent's");
    }
    sleep_for_ever();
  });
}

void expect_both_captured(void (*busy)()) {
  const capture_room of_parent;
  const capture_room of_child;  // made last: the one in the environment
  const outcome o = child_then_parent(busy, of_parent);
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  ASSERT_EQ(of_child.result().records, 1u);
  EXPECT_EQ(of_child.result().record[0].cpu, 0u);
  EXPECT_STREQ(of_child.result().record[0].message, "child's");
  ASSERT_EQ(of_parent.result().records, 2u);
  EXPECT_STREQ(of_parent.result().record[0].message, "parent's");
  EXPECT_STREQ(of_parent.result().record[1].message, "");
}

TEST(fork, while_another_thread_holds_the_gate_on_trial_makes_a_machine_of_its_own) {
  expect_both_captured(hold_the_gate_on_trial);
}

TEST(fork, while_another_thread_panics_makes_a_machine_of_its_own) {
  expect_both_captured(panic_in_another_thread);
}

TEST(fork, keeps_the_capture_program_for_the_child_and_its_child) {
  const capture_room room;
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    const capture_program image = load_capture(parent);
    set_flag(slow_report::may_go_on);
    const int status = fork_and_wait([] {
      const int inner = fork_and_wait([] { touch(nowhere()); });
      must(WIFEXITED(inner) && WEXITSTATUS(inner) == capture_exit, "the child's child is captured");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
    must(notes_bytes(image) == sizeof(crash_note_header), "the parent's notes are untouched");
    must(parent.gate().read().is_open() && parent.image().ready(), "the parent lives on");
  });
  EXPECT_TRUE(o.succeeded()) << o;
  EXPECT_EQ(room.result().records, 1u);
}

TEST(fork, leaves_no_file_open_that_the_parent_has_not) {
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    const capture_program image = load_capture(parent);
    static int expected;
    expected = open_fds();
    const int status = fork_and_wait([] { must(open_fds() == expected, "a program and its notes"); });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
    must(posix_detail::program_intact(image), "the parent has its image");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, without_an_image_gives_the_child_none) {
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    static int expected;
    expected = open_fds();
    set_flag(slow_report::may_go_on);
    const int status = fork_and_wait([] {
      must(open_fds() == expected && !parent.image().ready(), "nothing is loaded");
      touch(nowhere());
    });
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "the child dies of its fault");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, keeps_an_image_that_a_crash_in_the_parent_has_reserved_or_claimed) {
  for (const bool claimed : {false, true}) {
    const outcome o = in_child([claimed] {
      boot(parent);
      const cpu_guard cpu(0);
      (void)load_capture(parent);
      static int expected;
      expected = open_fds();
      must(parent.image().reserve() == image_outcome::reserved, "it is there");
      if (claimed) must(parent.image().check(), "it is whole");
      const int status = fork_and_wait([] {
        must(open_fds() == expected, "a program and its notes");
        must(parent.image().reserve() == image_outcome::reserved, "the child has it, too");
      });
      must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
      must(parent.image().is_reserved() != claimed, "the parent has its image");
    });
    EXPECT_TRUE(o.succeeded()) << o;
  }
}

// Its parent waits in the C library, and shares its memory: a crash in it must not reach the parent's machine.
TEST(fork, that_shares_the_memory_is_nobodys_cpu) {
  const capture_room room;
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    load_capture(parent);
    set_flag(slow_report::may_go_on);
    static char stack[64 * 1024];
    for (void (*const crash)() : {+[] { touch(nowhere()); }, +[] { abort(); }}) {
      const pid_t child = clone(
          [](void* f) {
            reinterpret_cast<void (*)()>(f)();
            return 0;
          },
          stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, reinterpret_cast<void*>(crash));
      int status = 0;
      must(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "it dies of its signal");
      must(parent.gate().read().is_open() && parent.image().ready(), "its parent's machine is as it was");
    }
    parent.panic("the parent's own");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_STREQ(room.result().record[0].message, "the parent's own");
}

TEST(fork, leaves_no_byte_of_the_parents_crash_in_the_child) {
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    panic_in_another_thread();
    const int status = fork_and_wait([] {
      const auto* bytes = reinterpret_cast<const unsigned char*>(&parent);
      must(std::all_of(bytes, bytes + sizeof parent, [](unsigned char b) { return b == 0; }), "all zeros");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
    must(parent.gate().in_progress(), "the parent's crash goes on");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, does_not_inherit_the_fault_of_another_thread) {
  const outcome o = in_child([] {
    boot(parent);
    start_cpu(1, [] { lastcpu_test_illegal(); });
    await_flag(slow_report::entered);
    const int status = fork_and_wait([] {
      set_flag(slow_report::may_go_on);
      const cpu_guard again(1);
      must(bool(again), "number 1 is free in the child");
      parent.panic("no fault at all");
    });
    must(WIFSIGNALED(status), "the child dies of a signal");
    must(WTERMSIG(status) == SIGABRT, strsignal(WTERMSIG(status)));
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// Waiters on words of different lines: they are counted apart.
struct alignas(64) line {
  atomic<uint32_t> word{};
};
line lines[8];

void start_waiters() {
  for (line& l : lines)
    std::thread([&l] {
      while (l.word.load(order::acquire) == 0) (void)posix::wait_while(l.word, 0u, no_deadline);
      l.word.store(2, order::release);
      posix::wake(l.word);
    }).detach();
  must(eventually([] { return posix_detail::all_sleepers() == 8; }), "each waits");
}
void wake_all_waiters() {
  for (line& l : lines) {
    l.word.store(1, order::release);
    posix::wake(l.word);
  }
  for (line& l : lines) must(eventually([&l] { return l.word.load(order::acquire) == 2; }), "each is woken");
  must(eventually([] { return posix_detail::all_sleepers() == 0; }), "and nobody sleeps any more");
}

TEST(fork, while_others_wait_begins_with_nobody_asleep_and_wakes_its_own_waiters) {
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    start_waiters();
    const int status = fork_and_wait([] {
      must(posix_detail::all_sleepers() == 0, "nobody sleeps in the child");
      start_waiters();
      wake_all_waiters();
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
    must(posix_detail::all_sleepers() == 8, "the parent's waiters sleep on");
    wake_all_waiters();
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, leaves_the_forking_threads_own_fault_to_the_parent) {
  const outcome o = in_child([] {
    boot(parent);
    set_flag(slow_report::may_go_on);
    const cpu_guard cpu(7);
    posix_detail::cpu_table[7].fault.si_signo = SIGBUS;
    const int status = fork_and_wait([] { parent.panic("no fault of the child's"); });
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the child has none");
    parent.panic("the parent's");
  });
  EXPECT_TRUE(o.died_of(SIGBUS)) << o;
}

TEST(fork, by_the_highest_cpu_keeps_its_number_and_frees_the_others) {
  const outcome o = in_child([] {
    boot(parent);
    start_cpu(posix::max_cpus - 1, [] { sleep_for_ever(); });
    const cpu_guard cpu(3);
    const int status = fork_and_wait([] {
      must(posix::this_cpu() == 3 && tid_of(3) == gettid(), "its own");
      must(!posix::is_online(posix::max_cpus - 1), "the highest is free");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, by_a_thread_that_is_no_cpu_leaves_every_number_free) {
  const outcome o = in_child([] {
    boot(parent);
    start_cpu(0, [] { sleep_for_ever(); });
    start_cpu(1, [] { sleep_for_ever(); });
    const int status = fork_and_wait([] {
      must(posix::this_cpu() >= posix::max_cpus, "it is no CPU");
      must(!posix::is_online(0) && !posix::is_online(1), "nobody is there");
      must(cpu_guard().cpu() == 0, "it gets the first number");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as the child says");
    must(posix::is_online(0) && posix::is_online(1), "the parent's CPUs are there");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(fork, in_the_child_the_child_can_stop_threads_of_its_own) {
  const capture_room room;
  const outcome o = in_child([] {
    boot(parent);
    const cpu_guard cpu(0);
    start_cpu(1, [] { sleep_for_ever(); });
    const int status = fork_and_wait([] {
      load_capture(parent);
      start_cpu(2, [] { sleep_for_ever(); });
      set_flag(slow_report::may_go_on);
      parent.panic("child's");
    });
    must(WIFEXITED(status) && WEXITSTATUS(status) == capture_exit, "the child was captured");
  });
  EXPECT_TRUE(o.succeeded()) << o;
  ASSERT_EQ(room.result().records, 2u);
  ASSERT_NE(room.result().of(2), nullptr);
  EXPECT_EQ(room.result().of(2)->state, stop_state::by_irq);
}

}  // namespace
}  // namespace fork_test
