// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a victim does: places to crash and to idle that a debugger finds by name.

#include "../posix/sandbox.hpp"

#include <lastcpu/process/crash_reporter.hpp>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <span>
#include <string>
#include <thread>

namespace victim {

struct scenario {
  const char* name;
  void (*prepare)();
  void (*crash)();
};

// Each in the file of its name, victim_NAME.cpp. For those of `neighbours` nothing is installed before.
extern const std::span<const scenario> crashes, captures, threads, hard_times, rare, neighbours;

inline void nothing_more() {}
/// Starts a thread that no signal can stop.
void masked_thread();

[[gnu::noinline]] inline void crash_here() {
  *reinterpret_cast<volatile int*>(uintptr_t{16}) = 1;
}
[[gnu::noinline]] inline void abort_here() {
  abort();
}
[[gnu::noinline]] inline void divide_here() {
  asm volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::: "eax", "ecx", "edx", "cc");
}
[[gnu::noinline]] inline void trap_here() {
  __builtin_trap();
}
[[gnu::noinline]] inline void breakpoint_here() {
  asm volatile("int3");
}
[[gnu::noinline]] inline void idle_here() {
  for (;;) pause();
}

template <class F>
void start(F body) {
  std::atomic<bool> runs{false};
  std::thread([&runs, body] {
    pthread_setname_np(pthread_self(), "worker");
    runs = true;
    body();
  }).detach();
  while (!runs) usleep(100);
}

inline void mask_all() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace victim
