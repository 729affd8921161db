// SPDX-License-Identifier: BSL-1.0
// A process that crashes with somebody's failure handler. compare.py runs it:
//
//     crash_victim_HANDLER WAY CASE NOTES THREADS CORE
//
// NOTES is a file of 4 KiB for what the parent wants to know: when the threads were told to crash, and which there are.

#include "../crew.hpp"
#include "../monotonic.hpp"
#include "handler.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace crash_victim {
namespace {

using lastcpu_bench::must;

constexpr int exit_unable = 77;  // no process 1 can be made here
constexpr unsigned most_threads = 500;
struct notes {
  uint64_t go_ns;
  std::atomic<uint32_t> threads;
  uint32_t tids[most_threads];
};
static_assert(sizeof(notes) <= 4096);
notes* told = nullptr;
unsigned threads = 0;
trouble in_the_reporter = trouble::none;

[[gnu::noinline]] void fault() noexcept {
  volatile uintptr_t nowhere = 16;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}
void divide() noexcept {
  volatile int zero = 0;
  volatile int one = 1;
  one = one / zero;
}

// Runs it as the handler wants a thread to run, once the thread's number is told.
template <class Body>
void run(Body body) {
  in_thread(
      [](void* argument) {
        told->tids[told->threads.fetch_add(1)] = static_cast<uint32_t>(gettid());
        (*static_cast<Body*>(argument))();
      },
      &body);
}

template <class Body>
void start(Body body) {
  std::thread([body] { run(body); }).detach();
}

// They sleep, then crash together, the main thread not.
void together(void (*const (&ways)[3])()) {
  static lastcpu_bench::start_signal go;
  for (unsigned number = 1; number <= threads; ++number)
    start([number, crash = ways[number % 3]] {
      lastcpu_bench::say_ready(number);
      go.await();
      crash();
    });
  lastcpu_bench::await_crew(1, threads, lastcpu_bench::pastime::asleep);
  told->go_ns = lastcpu_bench::monotonic_ns();
  go.give();
  for (;;) pause();
}

void plain() {
  together({fault, fault, fault});
}
void mixed() {
  together({fault, abort, divide});
}

// Four more threads that have something to say.
void bystanders() {
  for (int i = 0; i < 4; ++i)
    start([] {
      for (;;) {
        (void)!write(STDERR_FILENO, "bystander\n", 10);
        usleep(50);
      }
    });
  usleep(5000);
  plain();
}

// A thread crashes inside malloc(), most times with its lock held, while others want it.
void malloc_lock() {
  static std::atomic<pid_t> one{0};
  mallopt(M_ARENA_MAX, 1);
  for (int i = 0; i < 4; ++i)
    start([] {
      one = gettid();
      for (;;) free(malloc(5000));
    });
  while (one == 0) usleep(1000);  // on a busy machine none may have come so far
  usleep(5000);
  told->go_ns = lastcpu_bench::monotonic_ns();
  syscall(SYS_tgkill, getpid(), one.load(), SIGSEGV);
  for (;;) pause();
}

// It takes the crash no further, as a handler that is chained should.
void earlier_handler(int number) {
  (void)!write(STDERR_FILENO, "the earlier handler\n", 20);
  signal(number, SIG_DFL);
  raise(number);
}

// Returns in the first process of a container with a /proc of its own, for which this one waits. Where only root may make
// one, a user's own namespace will do.
void become_process_one() {
  constexpr long container = CLONE_NEWPID | CLONE_NEWNS | SIGCHLD;
  long child = syscall(SYS_clone, container, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) child = syscall(SYS_clone, container | CLONE_NEWUSER, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) _exit(exit_unable);
  if (child == 0) {
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        mount("proc", "/proc", "proc", 0, nullptr) == 0)
      return;
    _exit(exit_unable);
  }
  int status = 0;
  waitpid(static_cast<pid_t>(child), &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == exit_unable) _exit(exit_unable);
  _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 1);
}

struct crash_case {
  const char* name;
  void (*run)();
  trouble in_the_reporter = trouble::none;
  bool has_earlier_handler = false;
};
constexpr crash_case cases[] = {
    {"plain", plain},
    {"mixed", mixed},
    {"bystanders", bystanders},
    {"malloc_lock", malloc_lock},
    {"process_one", plain},
    {"faults_once", plain, trouble::faults_once},
    {"faults_always", plain, trouble::faults_always},
    {"aborts", plain, trouble::aborts_always},
    {"slow", plain, trouble::is_slow},
    {"hangs", plain, trouble::hangs},
    {"earlier_handler", plain, trouble::none, true},
};

const crash_case* find_case(const char* name) {
  for (const crash_case& c : cases)
    if (strcmp(c.name, name) == 0) return &c;
  return nullptr;
}

notes* open_notes(const char* path) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(memory != MAP_FAILED, "NOTES is a file of 4 KiB");
  return static_cast<notes*>(memory);
}

}  // namespace

void meet_trouble() noexcept {
  static std::atomic<bool> met{false};
  const bool first = !met.exchange(true);
  if (in_the_reporter == trouble::faults_always || (first && in_the_reporter == trouble::faults_once)) fault();
  if (in_the_reporter == trouble::aborts_always) abort();
  if (in_the_reporter == trouble::is_slow && first) sleep(4);
  while (in_the_reporter == trouble::hangs) pause();
}

}  // namespace crash_victim

// Called at the beginning of each function of what was compiled for it.
extern "C" {
void __cyg_profile_func_enter(void* function, void*);
void __cyg_profile_func_exit(void*, void*);
void __cyg_profile_func_enter(void* function, void*) {
  if (function == crash_victim::place_of_trouble.load(std::memory_order_relaxed)) crash_victim::meet_trouble();
}
void __cyg_profile_func_exit(void*, void*) {}
}

int main(int argc, char** argv) {
  using namespace crash_victim;
  const crash_case* const it = argc == 6 ? find_case(argv[2]) : nullptr;
  const long count = argc == 6 ? strtol(argv[4], nullptr, 10) : 0;
  if (it == nullptr || count < 1 || count + 8 > static_cast<long>(most_threads)) {
    fprintf(stderr, "usage: %s WAY CASE NOTES THREADS CORE; compare.py runs it\n", argv[0]);
    return 2;
  }
  const rlimit no_core{0, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &no_core);
  told = open_notes(argv[3]);
  threads = static_cast<unsigned>(count);
  in_the_reporter = it->in_the_reporter;
  if (strcmp(it->name, "process_one") == 0) become_process_one();
  if (it->has_earlier_handler) signal(SIGSEGV, earlier_handler);
  if (const char* why = install({argv[0], argv[1], argv[5], it->has_earlier_handler, it->in_the_reporter})) {
    fprintf(stderr, "%s\n", why);
    return 2;
  }
  run([it] { it->run(); });
}
