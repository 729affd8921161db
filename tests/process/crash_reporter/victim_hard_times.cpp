// SPDX-License-Identifier: BSL-1.0
// What the process is denied, whose child it is, and who interferes.
#include "victim.hpp"

#include <sys/mount.h>

namespace victim {
namespace {

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

// A handler that was installed behind ours, and calls it with the mask that the thread had.
struct sigaction behind_the_one_in_front {};

void handler_in_front() {
  sigaction(SIGSEGV, nullptr, &behind_the_one_in_front);
  struct sigaction front {};
  front.sa_sigaction = [](int number, siginfo_t* info, void* context) {
    behind_the_one_in_front.sa_sigaction(number, info, context);
  };
  front.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &front, nullptr);
  default_timers();
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

void seccomp_traps_fstat() {
  posix_test::answer_call_with(SYS_fstat, SECCOMP_RET_TRAP);
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

void capture_is_killed_beside_a_masked_thread() {
  masked_thread();
  capture_is_killed();
}

void capture_is_killed_without_descriptors() {
  capture_is_killed();
  no_descriptors();
}

// Nothing but the end of a core cuts a file.
void capture_is_killed_and_the_core_is_stuck() {
  capture_is_killed();
  posix_test::let_call_wait(SYS_ftruncate);
}

// The file is there and says nothing: for this process, not for one that it starts.
void without_smaps() {
  posix_test::must(unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       mount("/dev/null", "/proc/self/smaps", nullptr, MS_BIND, nullptr) == 0,
                   "a file may be mounted here");
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

constexpr scenario all_hard_times[] = {
    {"profiled", profiled, crash_here},
    {"default_timers", default_timers, crash_here},
    {"handler_in_front", handler_in_front, crash_here},
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
    {"seccomp_traps_fstat", seccomp_traps_fstat, crash_here},
    {"not_dumpable", not_dumpable, crash_here},
    {"small_signal_stack", small_signal_stack, crash_here},
    {"stopped_and_continued", stopped_and_continued, crash_here},
    {"watchdog", watchdog_at_work, [] { usleep(1500), crash_here(); }},
    {"capture_is_killed", capture_is_killed, crash_here},
    {"capture_is_killed_beside_a_masked_thread", capture_is_killed_beside_a_masked_thread, crash_here},
    {"capture_is_killed_without_descriptors", capture_is_killed_without_descriptors, crash_here},
    {"capture_is_killed_and_the_core_is_stuck", capture_is_killed_and_the_core_is_stuck, crash_here},
    {"without_smaps", without_smaps, crash_here},
    {"process_one_faults", process_one_faults, crash_here},
    {"process_one_aborts", process_one_aborts, crash_here},
    {"process_one_traps", process_one_traps, crash_here},
};

}  // namespace

const std::span<const scenario> hard_times{all_hard_times};

}  // namespace victim
