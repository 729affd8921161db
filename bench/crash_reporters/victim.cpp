// SPDX-License-Identifier: BSL-1.0
// A process that crashes with one of four failure handlers: WITH_LASTCPU, WITH_ABSEIL, WITH_GLOG, or none. Usage:
// victim CASE. compare.py builds and runs it.

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#if defined(WITH_LASTCPU)
#include <lastcpu/process/crash_reporter.hpp>
static void install(const char*) {
  if (const std::string error = lastcpu::install_crash_reporter(); !error.empty())
    fprintf(stderr, "%s\n", error.c_str());
}
#elif defined(WITH_ABSEIL)
#include <absl/debugging/failure_signal_handler.h>
#include <absl/debugging/symbolize.h>
static void install(const char* program) {
  absl::InitializeSymbolizer(program);
  absl::InstallFailureSignalHandler({});
}
#elif defined(WITH_GLOG)
#include <glog/logging.h>
static void install(const char* program) {
  google::InitGoogleLogging(program);
  google::InstallFailureSignalHandler();
}
#else
static void install(const char*) {}
#endif

namespace {

std::atomic<int> ready{0};

void fault() {
  volatile uintptr_t nowhere = 16;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}
void divide() {
  volatile int zero = 0;
  volatile int one = 1;
  one = one / zero;
}

void together(unsigned threads, void (*const (&ways)[3])()) {
  for (unsigned i = 0; i < threads; ++i)
    std::thread([threads, crash = ways[i % 3]] {
      for (++ready; ready < static_cast<int>(threads);) sched_yield();
      crash();
    }).detach();
  for (;;) pause();
}

void plain() {
  together(8, {fault, fault, fault});
}
void mixed() {
  together(8, {fault, abort, divide});
}

// Four threads that have something to say.
void bystanders() {
  for (int i = 0; i < 4; ++i)
    std::thread([] {
      for (;;) {
        (void)!write(STDERR_FILENO, "bystander\n", 10);
        usleep(50);
      }
    }).detach();
  usleep(5000);
  plain();
}

// Crashes inside malloc(), most times with its lock held, while others want it.
void heap() {
  static std::atomic<pid_t> one{0};
  mallopt(M_ARENA_MAX, 1);
  for (int i = 0; i < 4; ++i)
    std::thread([] {
      one = static_cast<pid_t>(syscall(SYS_gettid));
      for (;;) free(malloc(5000));
    }).detach();
  usleep(5000);
  syscall(SYS_tgkill, getpid(), one.load(), SIGSEGV);
  for (;;) pause();
}

void process_one() {
  const long child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) _exit(77);
  if (child == 0) plain();
  int status = 0;
  waitpid(static_cast<pid_t>(child), &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) _exit(0);
  _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  install(argv[0]);
  const struct {
    const char* name;
    void (*run)();
  } cases[] = {
      {"plain", plain}, {"mixed", mixed}, {"bystanders", bystanders}, {"heap", heap}, {"process_one", process_one}};
  for (const auto& c : cases)
    if (strcmp(c.name, argv[1]) == 0) c.run();
  return 2;
}
