// SPDX-License-Identifier: BSL-1.0
// A server that crashes as it is told. Usage: crash_reporter_victim SCENARIO [CORE_PATH]
#include "rare_scenarios.hpp"

#include <string.h>

namespace victim {
namespace {

using lastcpu::crash_reporter_options;

void nothing_more() {}

void annotated() {
  (void)lastcpu::annotate_crash("request", "GET /first");
  (void)lastcpu::annotate_crash("taken_out", "never seen");
  (void)lastcpu::annotate_crash("request", "GET /last\x1b[2J");
  (void)lastcpu::annotate_crash("taken_out", "");
}

// Crashes while one value gives way to the next.
void annotating() {
  static const std::string a(150, 'a'), b(150, 'b');
  (void)lastcpu::annotate_crash("letters", a.c_str());  // the thread may not have run by then
  std::thread([] {
    for (;;) {
      (void)lastcpu::annotate_crash("letters", a.c_str());
      (void)lastcpu::annotate_crash("letters", b.c_str());
    }
  }).detach();
  usleep(2000);
}

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

void masked_thread() {
  start([] {
    mask_all();
    idle_here();
  });
}

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

void profiled() {
  for (const int s : {SIGALRM, SIGPROF}) signal(s, [](int) {});
  const itimerval often{{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &often, nullptr);
  setitimer(ITIMER_PROF, &often, nullptr);
}

// Either would kill the process; they expire while it reports.
void default_timers() {
  const itimerval soon{{0, 1000}, {0, 60'000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
  setitimer(ITIMER_PROF, &soon, nullptr);
}

void in_fork() {
  if (fork() == 0) crash_here();
  int status = 0;
  wait(&status);
  dprintf(STDERR_FILENO, "the child died of %d\n", WTERMSIG(status));
}

void in_bare_fork() {
  if (syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr) == 0) crash_here();
  int status = 0;
  wait(&status);
  dprintf(STDERR_FILENO, "the child died of %d\n", WTERMSIG(status));
}

int crash_in_clone(void*) {
  crash_here();
  return 0;
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

// As posix_spawn() has them.
void in_sharing_child() {
  static char stack[64 * 1024];
  const pid_t child = clone(crash_in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  int status = 0;
  waitpid(child, &status, 0);
  dprintf(STDERR_FILENO, "the child died of %d\n", WTERMSIG(status));
}

void grandchild_crashes() {
  if (fork() == 0) {
    if (fork() == 0) crash_here();
    wait(nullptr);
    _exit(0);
  }
  wait(nullptr);
  _exit(0);
}

void without_descriptors() {
  for (int fd = 3; fd < 1024; ++fd) close(fd);
}

void stderr_is_a_connection() {
  int ends[2];
  (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  if (fork() != 0) {
    close(ends[1]);
    char c;
    const ssize_t n = read(ends[0], &c, 1);
    dprintf(STDOUT_FILENO, n == 0 ? "nothing came to the client\n" : "the client got the report\n");
    _exit(0);
  }
  close(ends[0]);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
}

void limit(decltype(RLIMIT_FSIZE) what, rlim_t value) {
  const rlimit l{value, value};
  setrlimit(what, &l);
}
void no_file_size() {
  limit(RLIMIT_FSIZE, 0);
}
void no_processes() {
  limit(RLIMIT_NPROC, 0);
  (void)!setresuid(65534, 65534, 65534);  // root has no such limit
  prctl(PR_SET_DUMPABLE, 1);
}
void no_descriptors() {
  limit(RLIMIT_NOFILE, 40);
  while (dup(0) >= 0) {
  }
}
void in_an_empty_root() {
  char name[] = "/tmp/lastcpu-root-XXXXXX";
  (void)!mkdtemp(name);
  (void)!chroot(name);
  (void)!chdir("/");
}
void seccomp_refuses_processes() {
  posix_test::answer_call_with(SYS_clone, SECCOMP_RET_ERRNO | EPERM);
}
void seccomp_refuses_ptrace() {
  masked_thread();
  posix_test::answer_call_with(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM);
}
void seccomp_kills_for_ptrace() {
  masked_thread();
  posix_test::answer_call_with(SYS_ptrace, SECCOMP_RET_KILL_PROCESS);
}
void not_dumpable() {
  prctl(PR_SET_DUMPABLE, 0);
}

void small_signal_stack() {
  static char room[8192];
  stack_t small{};
  small.ss_sp = room;
  small.ss_size = sizeof room;
  sigaltstack(&small, nullptr);
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

void stopped_and_continued() {
  const pid_t me = getpid();
  if (fork() == 0) {
    for (int i = 0; i < 60; ++i) {
      kill(me, SIGSTOP);
      usleep(1000);
      kill(me, SIGCONT);
      usleep(1000);
    }
    _exit(0);
  }
}

void watchdog_at_work() {
  const pid_t me = getpid();
  if (fork() == 0) {
    usleep(2000);
    for (int i = 0; i < 200; ++i) {
      kill(me, SIGABRT);
      usleep(100);
    }
    _exit(0);
  }
}

// Somebody kills the capture process.
void capture_is_killed() {
  const pid_t me = getpid();
  if (fork() != 0) return;
  char path[64], children[256];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", me, me);
  for (int i = 0; i < 2000; ++i, usleep(1000)) {
    lastcpu::reporter_detail::read_small(path, children);
    for (char* at = children; *at != '\0';) {
      const auto pid = static_cast<pid_t>(strtol(at, &at, 10));
      if (pid != 0 && pid != getpid()) {
        usleep(50'000);  // until it waits for the reader of its report
        _exit(kill(pid, SIGKILL));
      }
      while (*at == ' ') ++at;
    }
  }
  _exit(1);
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

void as_process_one(void (*die)()) {
  const long child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) die();
  if (child < 0) _exit(77);
  int status = 0;
  waitpid(static_cast<pid_t>(child), &status, 0);
  dprintf(STDERR_FILENO, WIFSIGNALED(status) ? "process 1 died of %d\n" : "process 1 exited with %d\n",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  _exit(0);
}
void process_one_faults() {
  as_process_one(crash_here);
}
void process_one_aborts() {
  as_process_one(abort_here);
}
void process_one_traps() {
  as_process_one([] {
    breakpoint_here();
    _exit(3);
  });
}

void cut_file() {
  const int fd = memfd_create("cut", 0);
  (void)!ftruncate(fd, 4096);
  auto* p = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  (void)!ftruncate(fd, 0);
  *p = 1;
}
void refused_call() {
  posix_test::answer_call_with(SYS_getppid, SECCOMP_RET_TRAP);
  syscall(SYS_getppid);
}
void killed_from_outside() {
  const pid_t me = getpid();
  if (fork() == 0) {
    kill(me, SIGSEGV);
    _exit(0);
  }
  idle_here();
}
void wild_jump() {
  reinterpret_cast<void (*)()>(uintptr_t{0x1234})();
}
void not_canonical() {
  *reinterpret_cast<volatile int*>(uintptr_t{0xdead'0000'0000'0000}) = 1;
}

void secret_memory() {
  auto* p = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  madvise(p, 4096, MADV_DONTDUMP);
  for (int i = 0; i < 100; ++i) p[i] = static_cast<char>("kept out of it"[i % 14] ^ 0x20);
}

[[gnu::used]] const char* volatile end_of_large_memory = nullptr;

void large_memory() {
  constexpr size_t bytes = 64 << 20;
  constexpr char words[] = "the end of it";
  auto* p = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(p, 1, bytes);
  end_of_large_memory = p + bytes - sizeof words;
  memcpy(p + bytes - sizeof words, words, sizeof words);
}

const scenario scenarios[] = {
    {"plain", nothing_more, crash_here},
    {"abort", nothing_more, abort_here},
    {"divide", nothing_more, divide_here},
    {"trap", nothing_more, trap_here},
    {"breakpoint", nothing_more, breakpoint_here},
    {"cut_file", nothing_more, cut_file},
    {"refused_call", nothing_more, refused_call},
    {"killed_from_outside", nothing_more, killed_from_outside},
    {"wild_jump", nothing_more, wild_jump},
    {"not_canonical", nothing_more, not_canonical},
    {"captured_twice", captured_twice, crash_here},
    {"captured_among_signals", captured_among_signals, crash_here},
    {"captured_without_ptrace", captured_without_ptrace, crash_here},
    {"crash_while_captured", nothing_more, crash_while_captured},
    {"annotated", annotated, crash_here},
    {"annotating", annotating, crash_here},
    {"masked_thread", masked_thread, crash_here},
    {"four_crash", four_crash, crash_here},
    {"storm", storm, crash_here},
    {"breeding_threads", breeding_threads, crash_among_breeding_threads},
    {"profiled", profiled, crash_here},
    {"default_timers", default_timers, crash_here},
    {"small_stack", idle_on_a_small_stack, crash_here},
    {"many_threads", many_threads, idle_here},
    {"in_fork", in_fork, crash_here},
    {"in_bare_fork", in_bare_fork, crash_here},
    {"in_sharing_child", in_sharing_child, crash_here},
    {"grandchild", grandchild_crashes, crash_here},
    {"without_descriptors", without_descriptors, crash_here},
    {"stderr_is_a_connection", stderr_is_a_connection, crash_here},
    {"no_file_size", no_file_size, crash_here},
    {"no_processes", no_processes, crash_here},
    {"no_descriptors", no_descriptors, crash_here},
    {"in_an_empty_root", in_an_empty_root, crash_here},
    {"seccomp_refuses_processes", seccomp_refuses_processes, crash_here},
    {"seccomp_refuses_ptrace", seccomp_refuses_ptrace, crash_here},
    {"seccomp_kills_for_ptrace", seccomp_kills_for_ptrace, crash_here},
    {"not_dumpable", not_dumpable, crash_here},
    {"small_signal_stack", small_signal_stack, crash_here},
    {"overflow", nothing_more, overflow},
    {"overflow_in_a_thread", nothing_more, overflow_in_a_thread},
    {"uninterruptible_thread", uninterruptible_thread, crash_here},
    {"stopped_and_continued", stopped_and_continued, crash_here},
    {"watchdog", watchdog_at_work, [] { usleep(1500), crash_here(); }},
    {"capture_is_killed", capture_is_killed, crash_here},
    {"exit_at_the_same_moment", ends_at_the_same_moment<exit_with_7>, crash_here},
    {"exec_at_the_same_moment", ends_at_the_same_moment<become_true>, crash_here},
    {"process_one_faults", process_one_faults, crash_here},
    {"process_one_aborts", process_one_aborts, crash_here},
    {"secret_memory", secret_memory, crash_here},
    {"large_memory", large_memory, crash_here},
    {"captured_often", captured_often, nothing_more},
    {"captured_in_a_group", captured_in_a_group, nothing_more},
    {"aborts_sent_by_own_process", aborts_sent_by_own_process, [] { usleep(1500), crash_here(); }},
    {"leader_gone", leader_gone, nothing_more},
    {"process_one_traps", process_one_traps, crash_here},
};

// What these do with other handlers and options, they do before anything is installed.

std::string installed_with(const crash_reporter_options& o) {
  std::string error = lastcpu::install_crash_reporter(o);
  return error;
}
void must_install(const crash_reporter_options& o) {
  posix_test::must_be_empty(installed_with(o));
}

void twice() {
  must_install({});
  dprintf(STDERR_FILENO, "%s\n", installed_with({}).c_str());
}

char* page_of_barrier() {
  static char* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return page;
}

// A write barrier, as runtimes have it: recovers from faults in its own page, gives up on others.
void barrier(int number, siginfo_t* info, void*) {
  if (info->si_addr == page_of_barrier())
    mprotect(page_of_barrier(), 4096, PROT_READ | PROT_WRITE);
  else
    signal(number, SIG_DFL);
}
void says_so(int) {
  dprintf(STDERR_FILENO, "the earlier handler was called\n");
  _exit(5);
}
void handle_before(void (*handler)(int, siginfo_t*, void*)) {
  (void)page_of_barrier();
  struct sigaction how {};
  how.sa_sigaction = handler;
  how.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &how, nullptr);
}

void with_earlier_refused() {
  handle_before(barrier);
  dprintf(STDERR_FILENO, "%s\n", installed_with({}).c_str());
}
void with_earlier_replaced() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::replace});
}
void with_earlier_asked_first() {
  handle_before(barrier);
  must_install({.earlier = lastcpu::earlier_handlers::ask_first});
  for (int i = 0; i < 1000; ++i) {
    mprotect(page_of_barrier(), 4096, PROT_READ);
    *static_cast<volatile char*>(page_of_barrier()) = 1;
  }
  dprintf(STDERR_FILENO, "recovered 1000 times\n");
}
void with_earlier_called_last() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::call_last});
}
void with_earlier_called_last_that_returns() {
  signal(SIGABRT, [](int) { dprintf(STDERR_FILENO, "the earlier handler returns\n"); });
  must_install({.earlier = lastcpu::earlier_handlers::call_last});
}
void with_earlier_left() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::leave});
}
void with_first_chance() {
  (void)page_of_barrier();
  must_install({.first_chance = [](int, siginfo_t* info, void*) noexcept {
    return info->si_addr == page_of_barrier() && mprotect(page_of_barrier(), 4096, PROT_READ | PROT_WRITE) == 0;
  }});
  *static_cast<volatile char*>(page_of_barrier()) = 1;
  dprintf(STDERR_FILENO, "went on\n");
}
void with_signal_taken_later() {
  must_install({});
  dprintf(STDERR_FILENO, "at first: '%s'\n", lastcpu::still_installed().c_str());
  signal(SIGBUS, says_so);
  dprintf(STDERR_FILENO, "then: '%s'\n", lastcpu::still_installed().c_str());
  dprintf(STDERR_FILENO, "uninstalled: '%s'\n", lastcpu::uninstall_crash_reporter().c_str());
}
void uninstalled() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::replace});
  posix_test::must_be_empty(lastcpu::still_installed());
  posix_test::must_be_empty(lastcpu::uninstall_crash_reporter());
  posix_test::must(!lastcpu::still_installed().empty(), "it is gone");
}
void installed_again() {
  must_install({});
  posix_test::must_be_empty(lastcpu::uninstall_crash_reporter());
  must_install({});
}
void with_stop_signal_taken() {
  signal(SIGRTMAX - 1, says_so);
  dprintf(STDERR_FILENO, "%s\n", installed_with({.stop_signal = SIGRTMAX - 1}).c_str());
  must_install({});  // finds another one
  start(idle_here);
}
void with_stop_signal_taken_later() {
  must_install({});
  signal(SIGRTMAX - 1, says_so);
  start(idle_here);
}
void with_wrong_options() {
  for (const crash_reporter_options& o :
       {crash_reporter_options{.signals = {}}, crash_reporter_options{.signals = {SIGTERM}},
        crash_reporter_options{.stop_signal = SIGUSR1}, crash_reporter_options{.report_fd = -2},
        crash_reporter_options{.note = std::string(201, 'x')}, crash_reporter_options{.stall_budget_ms = 0},
        crash_reporter_options{.core_path = "/no/such/folder/core"},
        crash_reporter_options{.report_path = std::string(2000, 'x')}})
    dprintf(STDERR_FILENO, "refused: %s\n", installed_with(o).c_str());
}

const scenario bare_scenarios[] = {
    {"nothing_installed", nothing_more, crash_here},
    {"twice", twice, nothing_more},
    {"earlier_refused", with_earlier_refused, nothing_more},
    {"earlier_replaced", with_earlier_replaced, crash_here},
    {"earlier_asked_first", with_earlier_asked_first, crash_here},
    {"earlier_called_last", with_earlier_called_last, crash_here},
    {"earlier_left", with_earlier_left, crash_here},
    {"first_chance", with_first_chance, crash_here},
    {"signal_taken_later", with_signal_taken_later, nothing_more},
    {"uninstalled", uninstalled, crash_here},
    {"installed_again", installed_again, crash_here},
    {"stop_signal_taken", with_stop_signal_taken, crash_here},
    {"stop_signal_taken_later", with_stop_signal_taken_later, crash_here},
    {"wrong_options", with_wrong_options, nothing_more},
    {"earlier_called_last_that_returns", with_earlier_called_last_that_returns, killed_by_own_abort_signal},
};

void run(const scenario& s) {
  s.prepare();
  s.crash();
}

}  // namespace
}  // namespace victim

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (const victim::scenario& s : victim::bare_scenarios)
    if (strcmp(s.name, argv[1]) == 0) return victim::run(s), 0;
  lastcpu::crash_reporter_options options;
  if (argc > 2) options.core_path = argv[2];
  if (const char* limit = getenv("LASTCPU_TEST_CORE_LIMIT"); limit != nullptr)
    options.core_limit = strtoull(limit, nullptr, 0);
  if (const char* path = getenv("LASTCPU_TEST_REPORT_PATH"); path != nullptr) options.report_path = path;
  if (strcmp(argv[1], "uninterruptible_thread") == 0) options.stop_budget_ms = 200;
  if (strcmp(argv[1], "small_stack") == 0 || getenv("LASTCPU_TEST_PTRACE") != nullptr)
    options.stop = lastcpu::stop_threads::by_ptrace;
  options.stall_budget_ms = 1000;
  options.note = "a note of the victim";
  if (const std::string error = lastcpu::install_crash_reporter(options); !error.empty()) {
    dprintf(STDERR_FILENO, "%s\n", error.c_str());
    return 3;
  }
  for (int i = 0; i < 3; ++i) victim::start(victim::idle_here);
  for (const victim::scenario& s : victim::scenarios)
    if (strcmp(s.name, argv[1]) == 0) victim::run(s);
  return 4;
}
