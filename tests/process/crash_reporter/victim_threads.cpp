// SPDX-License-Identifier: BSL-1.0
// Threads that crash, hide, come and go.
#include "victim.hpp"

namespace victim {

void masked_thread() {
  start([] {
    mask_all();
    idle_here();
  });
}

namespace {

void four_crash() {
  static std::atomic<int> ready{0};
  for (int i = 0; i < 4; ++i)
    start([i] {
      for (++ready; ready < 4;) {
      }
      if (i == 1) abort_here();
      if (i == 2) divide_here();
      if (i == 3) trap_here();
      crash_here();
    });
  idle_here();
}

// Eight crash at once in four ways; the others sleep, allocate and write to stderr.
void storm() {
  static std::atomic<int> ready{0};
  for (int i = 0; i < 24; ++i)
    start([i] {
      while (i % 3 == 1) free(malloc(100));
      while (i % 3 == 2) dprintf(STDERR_FILENO, "%s", "");
      idle_here();
    });
  void (*const ways[])() = {crash_here, abort_here, divide_here, trap_here};
  for (int i = 0; i < 8; ++i)
    start([crash = ways[i % 4]] {
      for (++ready; ready < 8;) usleep(10);
      crash();
    });
  idle_here();
}

// Threads that start threads while the process dies, each its successor. One that runs long behind the crash says so.
std::atomic<long> crash_at_ms{0};

void breed() {
  const long at = crash_at_ms;
  if (at != 0 && posix_test::now_ms() > at + 100) dprintf(STDERR_FILENO, "a thread was not stopped\n");
  std::thread(breed).detach();
}

void breeding_threads() {
  for (int i = 0; i < 8; ++i) std::thread(breed).detach();
  usleep(10'000);
}

void crash_among_breeding_threads() {
  crash_at_ms = posix_test::now_ms();
  crash_here();
}

// The last of 1,100 crashes.
void many_threads() {
  for (int i = 0; i < 1099; ++i) std::thread(idle_here).detach();
  std::thread(crash_here).detach();
}

// A coroutine with no room for the frame of a signal.
ucontext_t small_context, its_caller;

void idle_on_a_small_stack() {
  start([] {
    constexpr size_t page = 4096;
    auto* p = static_cast<char*>(mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(p, page, PROT_NONE);
    getcontext(&small_context);
    small_context.uc_stack.ss_sp = p + page;
    small_context.uc_stack.ss_size = 2048;
    makecontext(&small_context, idle_here, 0);
    swapcontext(&its_caller, &small_context);
  });
  usleep(20'000);
}

int overflow_here(volatile char* above) {
  volatile char room[4096];
  room[0] = above[0];
  if (room[0] == 77) return 0;
  return overflow_here(room) + room[0];
}

void overflow() {
  volatile char start_of_it[1] = {};
  overflow_here(start_of_it);
}

void overflow_in_a_thread() {
  start([] {
    const lastcpu::crash_reporter_thread stack;
    overflow();
  });
  idle_here();
}

// In a wait that no signal interrupts, as a thread in a file system that does not answer.
void uninterruptible_thread() {
  start([] {
    if (vfork() == 0) {
      sleep(2);
      _exit(0);
    }
  });
  usleep(20'000);
}

bool set_policy(int policy, int priority) {
  sched_param how{};
  how.sched_priority = priority;
  return pthread_setschedparam(pthread_self(), policy, &how) == 0;
}

// In microseconds; -1 for no limit, and where there is no such file.
long real_time_setting(const char* file) {
  char number[32];
  return lastcpu::reporter_detail::read_small(file, number) != 0 ? strtol(number, nullptr, 10) : -1;
}

// Whether threads of real time are allowed, and leave others a share: else they would take the whole machine.
bool may_spin_in_real_time() {
  const long theirs = real_time_setting("/proc/sys/kernel/sched_rt_runtime_us");
  const long all = real_time_setting("/proc/sys/kernel/sched_rt_period_us");
  return theirs > 0 && theirs < all && set_policy(SCHED_FIFO, 1) && set_policy(SCHED_OTHER, 0);
}

void start_spinner_on(size_t processor, bool real_time, std::atomic<unsigned>& spinning) {
  start([processor, real_time, &spinning] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    sched_setaffinity(0, sizeof one, &one);
    if (real_time) set_policy(SCHED_FIFO, 50);
    ++spinning;
    while (spinning != 0) {
    }
  });
}

// A thread that spins on each processor, in real time; where that is refused, who crashes comes last of all.
void spinners_on_every_processor() {
  const rlimit at_most{20'000'000, 20'000'000};  // us, of a thread in real time
  setrlimit(RLIMIT_RTTIME, &at_most);
  const bool real_time = may_spin_in_real_time();
  dprintf(STDERR_FILENO, real_time ? "they spin in real time\n" : "the crash comes last of all\n");
  if (!real_time) set_policy(SCHED_IDLE, 0);
  cpu_set_t usable;
  sched_getaffinity(0, sizeof usable, &usable);
  static std::atomic<unsigned> spinning{0};
  unsigned started = 0;
  for (size_t p = 0; p < CPU_SETSIZE; ++p)
    if (CPU_ISSET(p, &usable)) start_spinner_on(p, real_time, spinning), ++started;
  posix_test::must(posix_test::eventually([&] { return spinning == started; }), "a thread spins on each processor");
}

// Another thread ends the process, or becomes another program, at the same moment.
template <void (*End)()>
void ends_at_the_same_moment() {
  static std::atomic<bool> go{false};
  start([] {
    while (!go) {
    }
    End();
  });
  go = true;
}

void exit_with_7() {
  exit(7);
}

void become_true() {
  execl("/bin/true", "true", nullptr);
}

constexpr scenario all_threads[] = {
    {"masked_thread", masked_thread, crash_here},
    {"four_crash", four_crash, crash_here},
    {"storm", storm, crash_here},
    {"breeding_threads", breeding_threads, crash_among_breeding_threads},
    {"small_stack", idle_on_a_small_stack, crash_here},
    {"many_threads", many_threads, idle_here},
    {"overflow", nothing_more, overflow},
    {"overflow_in_a_thread", nothing_more, overflow_in_a_thread},
    {"spinners", spinners_on_every_processor, crash_here},
    {"uninterruptible_thread", uninterruptible_thread, crash_here},
    {"exit_at_the_same_moment", ends_at_the_same_moment<exit_with_7>, crash_here},
    {"exec_at_the_same_moment", ends_at_the_same_moment<become_true>, crash_here},
};

}  // namespace

const std::span<const scenario> threads{all_threads};

}  // namespace victim
