// SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"

#include <gtest/gtest.h>
#include <sys/auxv.h>

#include <type_traits>
#include <vector>

namespace cpu_guard_test {
namespace {

using namespace posix_test;

// One thread, one guard: a copy would give the number back twice.
static_assert(!std::is_copy_constructible_v<cpu_guard> && !std::is_copy_assignable_v<cpu_guard>);

[[nodiscard]] stack_t signal_stack() {
  stack_t s{};
  sigaltstack(nullptr, &s);
  return s;
}

TEST(cpu_guard, makes_its_thread_a_cpu_until_it_is_destroyed) {
  EXPECT_GE(posix::this_cpu(), posix::max_cpus);
  {
    const cpu_guard cpu(5);
    ASSERT_TRUE(cpu) << cpu.error();
    EXPECT_EQ(cpu.error(), "");
    EXPECT_EQ(cpu.cpu(), 5u);
    EXPECT_EQ(posix::this_cpu(), 5u);
    EXPECT_TRUE(posix::is_online(5));
    EXPECT_EQ(tid_of(5), static_cast<pid_t>(syscall(SYS_gettid)));
    EXPECT_GE(posix::cpu_limit(), 6u);
  }
  EXPECT_GE(posix::this_cpu(), posix::max_cpus);
  EXPECT_FALSE(posix::is_online(5));
}

TEST(cpu_guard, without_a_wish_gets_the_lowest_free_number) {
  const cpu_guard first;
  ASSERT_TRUE(first);
  EXPECT_EQ(first.cpu(), 0u);
  std::thread([] { EXPECT_EQ(cpu_guard().cpu(), 1u); }).join();
  std::thread([] { EXPECT_EQ(cpu_guard().cpu(), 1u) << "a number that was left is free again"; }).join();
}

TEST(cpu_guard, refuses_a_number_that_is_out_of_range) {
  const cpu_id limit = posix::cpu_limit();
  for (const cpu_id wanted : {posix::max_cpus, posix::max_cpus + 1, no_cpu - 1}) {
    const cpu_guard cpu(wanted);
    EXPECT_FALSE(cpu);
    EXPECT_EQ(cpu.status(), guard_status::out_of_range);
    EXPECT_EQ(cpu.error(), "CPU " + std::to_string(wanted) + " is out of range; use 0 to 1023");
    EXPECT_EQ(cpu.cpu(), no_cpu);
    EXPECT_GE(posix::this_cpu(), posix::max_cpus);
  }
  EXPECT_EQ(posix::cpu_limit(), limit);
}

TEST(cpu_guard, takes_the_highest_number) {
  const auto o = in_child([] {
    const cpu_guard cpu(posix::max_cpus - 1);
    must(bool(cpu) && posix::this_cpu() == 1023 && posix::is_online(1023), cpu.error().c_str());
    must(posix::cpu_limit() == 1024, "and is below the limit");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_guard, leaves_the_mask_of_its_thread_but_for_what_it_opens) {
  const auto o = in_child([] {
    boot(the_machine<>);
    for (const uint64_t mask : {uint64_t{0}, bit(SIGALRM) | bit(SIGRTMAX) | bit(SIGUSR1)}) {
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
      const cpu_guard cpu(0);
      must(current_mask() == (mask & ~bit(SIGUSR1)), "its own mask");
    }
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_guard, that_no_machine_is_installed_for_opens_the_faults_only) {
  const auto o = in_child([] {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    const uint64_t before = current_mask();
    const cpu_guard cpu(0);
    uint64_t faults = 0;
    for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) faults |= bit(s);
    must(bool(cpu) && current_mask() == (before & ~faults), "no other");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_guard, refuses_a_number_that_another_thread_has) {
  const cpu_guard mine(3);
  ASSERT_TRUE(mine);
  const pid_t owner = tid_of(3);
  std::thread([] {
    const void* stack_before = signal_stack().ss_sp;
    {
      const cpu_guard again(3);
      EXPECT_EQ(again.status(), guard_status::number_taken);
      EXPECT_EQ(again.error(), "CPU 3 is registered by another thread; use a free number, or none to get one");
      EXPECT_GE(posix::this_cpu(), posix::max_cpus);
      EXPECT_EQ(signal_stack().ss_sp, stack_before);
    }
    EXPECT_EQ(cpu_guard(4).cpu(), 4u) << "the thread may try another number";
  }).join();
  EXPECT_EQ(tid_of(3), owner);
}

TEST(cpu_guard, refuses_a_thread_that_is_a_cpu_already) {
  const cpu_guard mine(3);
  ASSERT_TRUE(mine);
  const void* stack = signal_stack().ss_sp;
  for (const cpu_id wanted : {cpu_id{3}, cpu_id{4}, no_cpu}) {
    const cpu_guard again(wanted);
    EXPECT_EQ(again.status(), guard_status::already_a_cpu);
    EXPECT_EQ(again.error(), "this thread is CPU 3 already; destroy that cpu_guard first");
  }
  EXPECT_EQ(posix::this_cpu(), 3u) << "a guard that did not register takes nothing away";
  EXPECT_TRUE(posix::is_online(3));
  EXPECT_FALSE(posix::is_online(4));
  EXPECT_EQ(signal_stack().ss_sp, stack);
}

TEST(cpu_guard, says_so_when_every_number_is_taken) {
  const auto o = in_child([] {
    fill_the_table();
    must(posix::is_online(0) && posix::is_online(1023) && posix::cpu_limit() == 1024, "every number");
    const void* stack = signal_stack().ss_sp;
    const cpu_guard cpu;
    must(cpu.status() == guard_status::table_full, "the table is full");
    must(cpu.error() == "all 1024 CPU numbers are taken; end a registered thread first", cpu.error().c_str());
    must(posix::this_cpu() >= posix::max_cpus, "the thread is no CPU");
    must(signal_stack().ss_sp == stack, "its signal stack is what it was");
    must(posix::adopt_this_cpu() >= posix::max_cpus, "there is none to adopt either");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_guard, says_so_when_there_is_no_memory_for_a_signal_stack) {
  const auto o = in_child([] {
    rlimit before{};
    getrlimit(RLIMIT_AS, &before);
    const rlimit none{4096, before.rlim_max};
    setrlimit(RLIMIT_AS, &none);
    guard_status status;
    {
      const cpu_guard cpu(2);
      status = cpu.status();
      setrlimit(RLIMIT_AS, &before);
      must(status == guard_status::no_stack, "there is no stack");
      must(cpu.error() == "no memory for a signal stack; raise the limit on address space", cpu.error().c_str());
    }
    must(!posix::is_online(2) && posix::this_cpu() >= posix::max_cpus, "nothing changed");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_guard, gives_its_thread_a_signal_stack_with_a_guard_page_and_takes_it_back) {
  const stack_t before = signal_stack();
  void* bottom = nullptr;
  {
    const cpu_guard cpu(2);
    const stack_t now = signal_stack();
    bottom = now.ss_sp;
    EXPECT_NE(now.ss_sp, before.ss_sp);
    EXPECT_EQ(now.ss_flags & SS_DISABLE, 0);
    EXPECT_GE(now.ss_size, getauxval(AT_MINSIGSTKSZ) + 64 * 1024);
    unsigned char there = 0;
    char* guard_page = static_cast<char*>(now.ss_sp) - sysconf(_SC_PAGESIZE);
    EXPECT_EQ(mincore(guard_page, 1, &there), 0) << "there is a page below the stack";
    const auto o = in_child([guard_page] { *static_cast<volatile char*>(guard_page) = 1; });
    EXPECT_TRUE(o.died_of(SIGSEGV)) << o;
  }
  EXPECT_EQ(signal_stack().ss_sp, before.ss_sp);
  unsigned char gone = 0;
  EXPECT_NE(mincore(bottom, 1, &gone), 0) << "the stack is unmapped";
}

TEST(cpu_guard, opens_the_stop_signals_and_the_faults_for_a_thread_that_had_masked_them) {
  const auto o = in_child([] {
    boot(the_machine<>);
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
    const cpu_guard cpu(0);
    must(bool(cpu), "it registers");
    for (const int s : {SIGUSR1, SIGUSR2, SIGSEGV, SIGABRT}) must((current_mask() & bit(s)) == 0, strsignal(s));
    must((current_mask() & bit(SIGALRM)) != 0, "the program's own mask stays");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_table, of_many_threads_that_want_one_number_one_gets_it) {
  for (int round = 0; round < 50; ++round) {
    atomic<uint32_t> winners{}, tried{};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const cpu_guard cpu(9);
        if (cpu) winners.fetch_add(1, order::relaxed);
        tried.fetch_add(1, order::relaxed);
        while (tried.load(order::relaxed) < 4) sleep_ms(1);
      });
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(winners.load(order::relaxed), 1u);
  }
  EXPECT_FALSE(posix::is_online(9));
}

TEST(cpu_table, the_limit_is_one_past_the_highest_number_ever) {
  const auto o = in_child([] {
    const cpu_id before = posix::cpu_limit();
    { const cpu_guard cpu(before + 7); }
    must(posix::cpu_limit() == before + 8, "that CPU was online");
    const cpu_guard cpu(0);
    must(posix::cpu_limit() == before + 8, "it never falls");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(cpu_table, an_adopted_thread_is_online_under_the_lowest_free_number) {
  const auto o = in_child([] {
    const cpu_guard zero(0);
    std::thread([] {
      must(posix::adopt_this_cpu() == 1, "1 is free");
      must(posix::this_cpu() == 1 && posix::is_online(1), "it is CPU 1 now");
    }).join();
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace
}  // namespace cpu_guard_test
