// SPDX-License-Identifier: BSL-1.0
// A thread that is becoming a CPU, or ceasing to be one, is asked to stop, or dies, at every instruction at which the table
// and the thread do not say the same.
#include "machine.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <ucontext.h>

namespace half_a_cpu_test {
namespace {

using namespace posix_test;

constexpr cpu_id victim = 1;
constexpr greg_t trap_flag = 0x100;

struct what_came_of_it {
  uint32_t at_odds;  // instructions at which they differed
  uint32_t asked;    // the stop was there at the one that was wanted
  stop_state state;  // of the victim
  uint32_t silent;   // CPUs that were
};
shared<what_came_of_it>* seen = nullptr;
uint32_t wanted = 0;  // which of them
enum class then : uint8_t { it_is_asked, it_dies } what_comes{};
constinit lastcpu::atomic<uint32_t> there{};
constinit lastcpu::atomic<uint32_t> past{};

[[nodiscard]] bool stop_is_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGUSR1) == 1;
}

/// Runs in the victim after each instruction. The signal that it waits for, or sends, comes at the instruction it returns
/// to.
void on_step(int, siginfo_t*, void* context) {
  if (posix::is_online(victim) == (posix::this_cpu() == victim)) return;
  if (++(*seen)->at_odds != wanted) return;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
  if (what_comes == then::it_dies) return void(syscall(SYS_tgkill, getpid(), gettid(), SIGABRT));
  set_flag(there);
  (*seen)->asked = eventually(stop_is_pending, 5'000);
}

void step_from_here() {
  asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}
void step_no_more() {
  asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

template <cpu_id Wanted>
void* become_a_cpu(void*) {
  step_from_here();
  const cpu_guard cpu(Wanted);
  step_no_more();
  set_flag(past);
  sleep_for_ever();
  return nullptr;
}

void* cease_to_be_a_cpu(void*) {
  {
    const cpu_guard cpu(victim);
    step_from_here();
  }
  step_no_more();
  set_flag(past);
  sleep_for_ever();
  return nullptr;
}

struct say_what_became_of_it : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 10'000'000}};  // a thread may wait for a processor
  template <class Report>
  static void notifiers(const Report& report) noexcept {
    (*seen)->state = report.state(victim);
    (*seen)->silent = report.count(stop_state::silent);
  }
};

/// Panics when the victim is at the place that is wanted, where the victim does not do so itself. Exits where there are
/// fewer.
void panic_beside(void* (*body)(void*)) {
  auto& m = the_machine<posix, say_what_became_of_it>;
  boot(m);
  struct sigaction trap {};
  trap.sa_sigaction = on_step;
  trap.sa_flags = SA_SIGINFO;
  sigfillset(&trap.sa_mask);
  must(sigaction(SIGTRAP, &trap, nullptr) == 0, "a handler for each step");
  const cpu_guard cpu(0);
  pthread_t thread;
  must(pthread_create(&thread, nullptr, body, nullptr) == 0, "a thread");
  must(eventually([] { return there.load(order::acquire) != 0 || past.load(order::acquire) != 0; }, 8'000),
       "it gets there");
  if (there.load(order::acquire) == 0) _exit(0);
  m.panic("stop it there");
}

void at_each_place(void* (*body)(void*), then what, stop_state whole) {
  what_comes = what;
  for (wanted = 1;; ++wanted) {
    shared<what_came_of_it> s;
    seen = &s;
    const outcome o = in_child([=] { panic_beside(body); });
    if (o.succeeded()) break;
    ASSERT_TRUE(o.died_of(SIGABRT)) << o;
    ASSERT_EQ(s->asked, what == then::it_is_asked ? 1u : 0u) << "place " << wanted;
    ASSERT_EQ(s->state, whole) << "place " << wanted << ", " << to_string(s->state);
    ASSERT_EQ(s->silent, 0u) << "place " << wanted;
  }
  EXPECT_GT(wanted, 2u) << "no place was seen";
}

TEST(half_a_cpu, that_is_asked_while_it_takes_its_number_answers_the_stop) {
  at_each_place(become_a_cpu<victim>, then::it_is_asked, stop_state::by_irq);
}
TEST(half_a_cpu, that_is_asked_while_it_takes_any_number_answers_the_stop) {
  at_each_place(become_a_cpu<no_cpu>, then::it_is_asked, stop_state::by_irq);
}
TEST(half_a_cpu, that_is_asked_while_it_gives_its_number_back_is_gone) {
  at_each_place(cease_to_be_a_cpu, then::it_is_asked, stop_state::gone);
}

TEST(half_a_cpu, that_dies_while_it_takes_its_number_panics_as_that_cpu) {
  at_each_place(become_a_cpu<victim>, then::it_dies, stop_state::running);
}
TEST(half_a_cpu, that_dies_while_it_gives_its_number_back_panics_as_that_cpu) {
  at_each_place(cease_to_be_a_cpu, then::it_dies, stop_state::running);
}

}  // namespace
}  // namespace half_a_cpu_test
