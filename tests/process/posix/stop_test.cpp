// SPDX-License-Identifier: BSL-1.0
// Real threads, stopped in every state that a thread can be in.
#include "machine.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>

namespace stop_test {
namespace {

using namespace posix_test;

constexpr uint64_t all_signals = ~uint64_t{0};
constexpr cpu_id victim = 1;

struct short_irq : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 300'000}, {stop_how::nmi, 5'000'000}};
};
struct short_both : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 300'000}, {stop_how::nmi, 300'000}};
};

// CPU 0 panics while CPU 1 does `work`; the note of CPU 1.
template <class Policy = panic_policy, class F>
crash_note_record stopped_while(F work) {
  const capture_room room;
  const outcome o = in_child([&] {
    auto& m = the_machine<posix, Policy>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    static atomic<uint32_t> at_work{};
    start_cpu(victim, [&] { work(at_work); });
    await_flag(at_work);
    sleep_ms(5);
    m.panic("stop them");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  EXPECT_EQ(r.records, 2u);
  const crash_note_record* note = r.of(victim);
  return note != nullptr ? *note : crash_note_record{};
}

void expect_stopped(const crash_note_record& note, stop_state how) {
  EXPECT_EQ(note.state, how);
  EXPECT_EQ(note.registers_valid, 1u);
  EXPECT_NE(note.registers.pc, 0u);
  EXPECT_NE(note.registers.sp, 0u);
}

TEST(stop, reaches_a_thread_that_sleeps_in_a_wait) {
  expect_stopped(stopped_while([](atomic<uint32_t>& at_work) {
                   set_flag(at_work);
                   sleep_for_ever();
                 }),
                 stop_state::by_irq);
}

TEST(stop, reaches_a_thread_that_is_busy) {
  expect_stopped(stopped_while([](atomic<uint32_t>& at_work) {
                   set_flag(at_work);
                   be_busy_for_ever();
                 }),
                 stop_state::by_irq);
}

TEST(stop, reaches_a_thread_that_waits_for_events) {
  expect_stopped(stopped_while([](atomic<uint32_t>& at_work) {
                   const int events = epoll_create1(EPOLL_CLOEXEC);
                   set_flag(at_work);
                   epoll_event e;
                   must(epoll_wait(events, &e, 1, -1) != 0, "there are none");
                 }),
                 stop_state::by_irq);
}

#if !defined(LASTCPU_POSIX_UNDER_TSAN)  // it holds every handler back until read() returns, and it does not return
TEST(stop, reaches_a_thread_that_blocks_in_a_system_call) {
  expect_stopped(stopped_while([](atomic<uint32_t>& at_work) {
                   int ends[2];
                   must(pipe(ends) == 0, "a pipe");
                   set_flag(at_work);
                   char c;
                   must(read(ends[0], &c, 1) == 1, "nobody writes");
                 }),
                 stop_state::by_irq);
}
#endif

TEST(stop, reaches_a_thread_that_waits_for_a_lock) {
  expect_stopped(stopped_while([](atomic<uint32_t>& at_work) {
                   pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
                   pthread_cond_t never = PTHREAD_COND_INITIALIZER;
                   pthread_mutex_lock(&lock);
                   set_flag(at_work);
                   for (;;) pthread_cond_wait(&never, &lock);
                 }),
                 stop_state::by_irq);
}

TEST(stop, reaches_a_thread_that_has_interrupts_off_by_nmi) {
  expect_stopped(stopped_while<short_irq>([](atomic<uint32_t>& at_work) {
                   (void)posix::irq_save();
                   set_flag(at_work);
                   sleep_for_ever();
                 }),
                 stop_state::by_nmi);
}

TEST(stop, names_a_thread_that_masks_both_and_dumps_within_the_budget) {
  const long before = now_ms();
  const crash_note_record note = stopped_while<short_both>([](atomic<uint32_t>& at_work) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, nullptr, sizeof all_signals);
    set_flag(at_work);
    sleep_for_ever();
  });
  EXPECT_EQ(note.state, stop_state::silent);
  EXPECT_EQ(note.registers_valid, 0u);
  EXPECT_LT(now_ms() - before, 600 + 5'000) << "two rungs of 300 ms, and time to start and end";
}

TEST(stop, does_not_name_a_thread_that_left_in_time) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    std::thread([] { const cpu_guard other(1); }).join();
    m.panic("alone");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_EQ(room.result().records, 1u);
}

// A thread that becomes a CPU when the others have been asked: it must not run.
struct late_arrival : panic_policy {
  static inline shared<atomic<uint32_t>>* ran = nullptr;
  template <class Report>
  static void notifiers(const Report&) noexcept {
    std::thread([] {
      const cpu_guard late(2);
      set_flag(**ran);
    }).detach();
    sleep_ms(100);
  }
};

// It ended in a way that runs no destructor: its number stays in the table.
TEST(stop, says_gone_of_a_thread_that_ended_with_its_guard) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    start_cpu(victim, [] { syscall(SYS_exit, 0); });
    must(eventually([] { return syscall(SYS_tgkill, getpid(), tid_of(victim), 0) != 0; }), "it has ended");
    m.panic("nobody else is there");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  const crash_note_record* note = r.of(victim);
  EXPECT_TRUE(note == nullptr || note->state == stop_state::gone) << static_cast<int>(note->state);
}

TEST(stop, parks_a_thread_that_registers_when_it_is_too_late) {
  shared<atomic<uint32_t>> ran;
  late_arrival::ran = &ran;
  const outcome o = in_child([] {
    auto& m = the_machine<posix, late_arrival>;
    boot(m);
    const cpu_guard cpu(0);
    m.panic("too late");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_EQ(ran->load(order::acquire), 0u);
}

TEST(stop, counts_a_loser_as_parked_with_its_own_message) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    must(lastcpu::detail::inside::of(m).gate.claim(hold::trial).won(), "CPU 0 is first");
    start_cpu(victim, [] { the_machine<>.panic("me, too"); });
    must(eventually([] { return the_machine<>.cpus().acknowledged(victim); }), "the loser parks");
    m.panic("me first");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  ASSERT_EQ(r.records, 2u);
  EXPECT_STREQ(r.record[0].message, "me first");
  expect_stopped(r.record[1], stop_state::parked);
  EXPECT_STREQ(r.record[1].message, "me, too");
}

}  // namespace
}  // namespace stop_test
