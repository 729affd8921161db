// SPDX-License-Identifier: BSL-1.0
// What needs a neighbour, a namespace, or many captures.
#include "victim.hpp"

#include <stdio.h>

namespace victim {
namespace {

// Pages of address space that the process has.
[[nodiscard]] unsigned long pages_mapped() {
  unsigned long pages = 0;
  FILE* statm = fopen("/proc/self/statm", "r");
  posix_test::must(statm != nullptr && fscanf(statm, "%lu", &pages) == 1, "the size of the process");
  fclose(statm);
  return pages;
}

void captured_often() {
  (void)lastcpu::capture_now("the first one");
  const unsigned long before = pages_mapped();
  for (int i = 0; i < 5; ++i) (void)lastcpu::capture_now("one more");
  dprintf(STDERR_FILENO, "grown by %lu pages\n", pages_mapped() - before);
  _exit(0);
}

std::atomic<int> handled_by_another_process{0};
pid_t who_captures = 0;

// A signal to the whole group, as of a terminal's ^C, comes while this process captures.
void captured_in_a_group() {
  setpgid(0, 0);
  who_captures = getpid();
  signal(SIGUSR1, [](int) { handled_by_another_process += getpid() != who_captures; });
  const pid_t sender = fork();
  if (sender == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGUSR1, SIG_IGN);
    for (;;) usleep(20), kill(0, SIGUSR1);
  }
  for (int i = 0; i < 40; ++i) (void)lastcpu::capture_now("among signals of the group");
  kill(sender, SIGKILL);
  dprintf(STDERR_FILENO, "handled by another process: %d\n", handled_by_another_process.load());
  _exit(0);
}

// What kill(getpid(), SIGABRT) of another thread looks like, as often as it takes to come in the middle of the report.
void aborts_sent_by_own_process() {
  const pid_t me = getpid();
  if (fork() != 0) return;
  siginfo_t own{};
  own.si_signo = SIGABRT;
  own.si_code = SI_QUEUE;
  own.si_pid = me;
  usleep(2000);
  for (int i = 0; i < 200; ++i) {
    syscall(SYS_rt_sigqueueinfo, me, SIGABRT, &own);
    usleep(100);
  }
  _exit(0);
}

// The thread of main() has ended; the others go on.
void leader_gone() {
  start([] {
    usleep(100'000);
    crash_here();
  });
  pthread_exit(nullptr);
}

constexpr scenario all_rare[] = {
    {"captured_often", captured_often, nothing_more},
    {"captured_in_a_group", captured_in_a_group, nothing_more},
    {"aborts_sent_by_own_process", aborts_sent_by_own_process, [] { usleep(1500), crash_here(); }},
    {"leader_gone", leader_gone, nothing_more},
};

}  // namespace

const std::span<const scenario> rare{all_rare};

}  // namespace victim
