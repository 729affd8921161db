// SPDX-License-Identifier: BSL-1.0
// What runs, or does not, on a stopped thread and on the owner; after everybody has stopped, the notifiers look.
#include "machine.hpp"
#include "sandbox.hpp"

#include <errno.h>
#include <gtest/gtest.h>

#include <fstream>

namespace stopped_test {
namespace {

using namespace posix_test;

constexpr cpu_id victim = 1;

struct after_the_stop {
  uint32_t handler_ran, saw_parked;
  uint64_t cpu_ns, wall_ns;
  uint64_t blocked;
};
shared<after_the_stop>* seen = nullptr;

[[nodiscard]] uint64_t signals_in(const char* mask, pid_t tid) {
  std::ifstream status("/proc/self/task/" + std::to_string(tid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(mask, 0) == 0) return strtoull(line.c_str() + strlen(mask), nullptr, 16);
  return 0;
}
[[nodiscard]] bool is_in(const char* mask, pid_t tid, int signal) {
  return (signals_in(mask, tid) & bit(signal)) != 0;
}

struct poke_the_parked : panic_policy {
  template <class Report>
  static void notifiers(const Report&) noexcept {
    const pid_t tid = tid_of(victim);
    for (const int s : {SIGALRM, SIGTERM, SIGUSR2, SIGABRT}) {
      if (!eventually([=] { return is_in("SigBlk:", tid, s); }, 2'000)) return;
      syscall(SYS_tgkill, getpid(), tid, s);
      if (eventually([=] { return is_in("SigPnd:", tid, s); }, 2'000)) ++(*seen)->saw_parked;
    }
  }
};

void note_handler(int) {
  (*seen)->handler_ran = 1;
}

template <class Domain>
void panic_with_handlers(Domain& m, void (*work)()) {
  boot(m);
  signal(SIGALRM, note_handler);
  signal(SIGTERM, note_handler);
  const cpu_guard cpu(0);
  start_cpu(victim, work);
  m.panic("poke them");
}

TEST(stopped, a_stopped_thread_runs_no_handler_at_all) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome o = in_child([] { panic_with_handlers(the_machine<posix, poke_the_parked>, sleep_for_ever); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_EQ(s->saw_parked, 4u) << "all signals stay pending on the stopped thread";
  EXPECT_EQ(s->handler_ran, 0u);
}

constexpr uint64_t all_that_can_be_blocked = ~(bit(SIGKILL) | bit(SIGSTOP));

struct look_at_the_mask : panic_policy {
  template <class Report>
  static void notifiers(const Report&) noexcept {
    const pid_t tid = tid_of(victim);
    (void)eventually([=] { return ((*seen)->blocked = signals_in("SigBlk:", tid)) == all_that_can_be_blocked; }, 2'000);
  }
};

void refuse_sigsuspend() {
  answer_call_with(SYS_rt_sigsuspend, SECCOMP_RET_ERRNO | EPERM);
}

TEST(stopped, a_parked_thread_has_every_signal_blocked_with_sigsuspend_and_without) {
  for (void (*const prepare)() : {+[] {}, &refuse_sigsuspend}) {
    shared<after_the_stop> s;
    seen = &s;
    const outcome o = in_child([=] {
      prepare();
      panic_with_handlers(the_machine<posix, look_at_the_mask>, sleep_for_ever);
    });
    EXPECT_TRUE(o.died_of(SIGABRT)) << o;
    EXPECT_EQ(s->blocked, all_that_can_be_blocked);
  }
}

// A signal of the program that comes between the acknowledgement and the park.
struct interrupted_on_the_way : posix {
  static inline constinit lastcpu::atomic<uint32_t> interrupted{};
  static void trace(const trace_event& e) noexcept {
    if (e.kind != trace_kind::parked) return;
    syscall(SYS_tgkill, getpid(), gettid(), SIGALRM);
    posix_detail::let_pending_handlers_run();
    set_flag(interrupted);
  }
};
struct await_the_interrupted : panic_policy {
  template <class Report>
  static void notifiers(const Report&) noexcept {
    await_flag(interrupted_on_the_way::interrupted);
    (*seen)->saw_parked = 1;
  }
};

TEST(stopped, a_thread_that_has_acknowledged_runs_no_handler_on_its_way_to_the_park) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome o =
      in_child([] { panic_with_handlers(the_machine<interrupted_on_the_way, await_the_interrupted>, sleep_for_ever); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_EQ(s->saw_parked, 1u);
  EXPECT_EQ(s->handler_ran, 0u);
}

[[nodiscard]] uint64_t cpu_ns_of(pid_t tid) {
  // The clock of one thread, as pthread_getcpuclockid() makes it.
  timespec t{};
  clock_gettime(static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6u), &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

void measure_the_victim() {
  const uint64_t cpu = cpu_ns_of(tid_of(victim));
  const uint64_t wall = posix::now();
  sleep_ms(300);
  (*seen)->cpu_ns = cpu_ns_of(tid_of(victim)) - cpu;
  (*seen)->wall_ns = posix::now() - wall;
}

struct measure_the_parked : panic_policy {
  template <class Report>
  static void notifiers(const Report&) noexcept {
    measure_the_victim();
  }
};
struct measure_the_losers : panic_policy {
  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {
    start_cpu(victim, [] { the_machine<posix, measure_the_losers>.panic("too late"); });
    (void)eventually([] { return the_machine<posix, measure_the_losers>.cpus().acknowledged(victim); });
    measure_the_victim();
  }
};

TEST(stopped, a_parked_thread_uses_no_processor_time) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome o = in_child([] { panic_with_handlers(the_machine<posix, measure_the_parked>, sleep_for_ever); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_GT(s->wall_ns, 0u);
  EXPECT_LT(s->cpu_ns, s->wall_ns / 4);
}

// A sandbox may refuse the call that parks a thread.
TEST(stopped, a_thread_that_may_not_call_sigsuspend_parks_all_the_same) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome poked = in_child([] {
    refuse_sigsuspend();
    panic_with_handlers(the_machine<posix, poke_the_parked>, sleep_for_ever);
  });
  EXPECT_TRUE(poked.died_of(SIGABRT)) << poked;
  EXPECT_EQ(s->saw_parked, 4u) << "all signals stay pending on the stopped thread";
  EXPECT_EQ(s->handler_ran, 0u);
  const outcome measured = in_child([] {
    refuse_sigsuspend();
    panic_with_handlers(the_machine<posix, measure_the_parked>, sleep_for_ever);
  });
  EXPECT_TRUE(measured.died_of(SIGABRT)) << measured;
  EXPECT_GT(s->wall_ns, 0u);
  EXPECT_LT(s->cpu_ns, s->wall_ns / 4);
}

TEST(stopped, a_loser_that_waits_for_the_gate_uses_no_processor_time) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome o = in_child([] {
    auto& m = the_machine<posix, measure_the_losers>;
    boot(m);
    const cpu_guard cpu(0);
    m.panic("first");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_GT(s->wall_ns, 0u);
  EXPECT_LT(s->cpu_ns, s->wall_ns / 4);
}

struct disturb_the_owner : panic_policy {
  template <class Report>
  static void notifiers(const Report&) noexcept {
    for (const int s : {SIGUSR1, SIGUSR2}) {
      syscall(SYS_tgkill, getpid(), gettid(), s);
      posix_detail::let_pending_handlers_run();
    }
    (*seen)->saw_parked = 1;
  }
};

TEST(stopped, an_nmi_on_the_owner_returns) {
  shared<after_the_stop> s;
  seen = &s;
  const outcome o = in_child([] { panic_with_handlers(the_machine<posix, disturb_the_owner>, sleep_for_ever); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_EQ(s->saw_parked, 1u);
}

}  // namespace
}  // namespace stopped_test
