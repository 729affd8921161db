// SPDX-License-Identifier: BSL-1.0
// A stop of a thread that is becoming a CPU, or ceasing to be one, at every instruction at which the table and the thread
// do not say the same.
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
  stop_state state;
};
shared<what_came_of_it>* seen = nullptr;
uint32_t wanted = 0;  // which of them
constinit lastcpu::atomic<uint32_t> there{};
constinit lastcpu::atomic<uint32_t> past{};

[[nodiscard]] bool stop_is_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGUSR1) == 1;
}

/// Runs in the victim after each instruction. The stop that it waits for comes at the instruction it returns to.
void on_step(int, siginfo_t*, void* context) {
  if (posix::is_online(victim) == (posix::this_cpu() == victim)) return;
  if (++(*seen)->at_odds != wanted) return;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
  set_flag(there);
  (*seen)->asked = eventually(stop_is_pending);
}

void step_from_here() {
  asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}
void step_no_more() {
  asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

void* become_a_cpu(void*) {
  step_from_here();
  const cpu_guard cpu(victim);
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
  template <class Report>
  static void notifiers(const Report& report) noexcept {
    (*seen)->state = report.state(victim);
  }
};

/// Panics when the victim is at the place that is wanted; exits where there are fewer.
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
  must(eventually([] { return there.load(order::acquire) != 0 || past.load(order::acquire) != 0; }), "it comes so far");
  if (there.load(order::acquire) == 0) _exit(0);
  m.panic("stop it there");
}

void stop_at_each_place(void* (*body)(void*), stop_state whole) {
  for (wanted = 1;; ++wanted) {
    shared<what_came_of_it> s;
    seen = &s;
    const outcome o = in_child([=] { panic_beside(body); });
    if (o.succeeded()) break;
    ASSERT_TRUE(o.died_of(SIGABRT)) << o;
    ASSERT_EQ(s->asked, 1u) << "place " << wanted;
    ASSERT_EQ(s->state, whole) << "place " << wanted;
  }
  EXPECT_GT(wanted, 2u) << "no place was seen";
}

TEST(half_a_cpu, that_is_asked_while_it_takes_its_number_answers_the_stop) {
  stop_at_each_place(become_a_cpu, stop_state::by_irq);
}

TEST(half_a_cpu, that_is_asked_while_it_gives_its_number_back_is_gone) {
  stop_at_each_place(cease_to_be_a_cpu, stop_state::gone);
}

}  // namespace
}  // namespace half_a_cpu_test
