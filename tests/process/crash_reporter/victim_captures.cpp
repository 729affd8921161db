// SPDX-License-Identifier: BSL-1.0
// Captures of a process that goes on.
#include "victim.hpp"

namespace victim {
namespace {

std::atomic<unsigned long> steps{0};

void say_captured(const char* reason) {
  dprintf(STDERR_FILENO, "it is %s\n", to_string(lastcpu::capture_now(reason)));
}

// One that works, one that masks every signal; both go on afterwards.
void captured_twice() {
  start([] {
    for (;;) ++steps;
  });
  start([] {
    mask_all();
    idle_here();
  });
  for (int i = 0; i < 2; ++i) {
    say_captured("a test\n");
    for (const unsigned long seen = steps; steps == seen;) usleep(100);
  }
  dprintf(STDERR_FILENO, "it goes on\n");
}

void captured_among_signals() {
  static std::atomic<int> caught[2];
  static thread_local int mine;
  signal(SIGUSR1, [](int) { ++caught[mine]; });
  for (int i = 0; i < 2; ++i)
    start([i] {
      mine = i;
      for (int sent = 0;;) {
        raise(SIGUSR1);
        if (caught[i] != ++sent) dprintf(STDERR_FILENO, "a signal was lost\n"), _exit(6);
      }
    });
  for (int i = 0; i < 40; ++i) say_captured("among signals");
  _exit(0);
}

void captured_without_ptrace() {
  posix_test::answer_call_with(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM);
  say_captured("without ptrace");
}

// A crash in the middle of a capture that hangs.
void crash_while_captured() {
  start([] {
    for (;;) (void)lastcpu::capture_now("again and again");
  });
  const auto& process = lastcpu::reporter_detail::settings.live->capture_tid;
  uint32_t tid = 0;
  while (tid == 0) tid = process.load(lastcpu::order::relaxed);
  kill(static_cast<pid_t>(tid), SIGSTOP);
  crash_here();
}

constexpr scenario all_captures[] = {
    {"captured_twice", captured_twice, crash_here},
    {"captured_among_signals", captured_among_signals, crash_here},
    {"captured_without_ptrace", captured_without_ptrace, crash_here},
    {"crash_while_captured", nothing_more, crash_while_captured},
};

}  // namespace

const std::span<const scenario> captures{all_captures};

}  // namespace victim
