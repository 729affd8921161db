// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where machines are born. Each trial needs a process that has done nothing yet, and a fork copies the page tables, which
// takes milliseconds on some virtual machines. So one process is forked for a hundred trials, and each machine is a child in
// that one's memory, as vfork() makes it: a process with threads, handlers, masks and timers of its own.
// Its parent is the tracer. Of the memory, the tracer renews what the two share, and the machine what the library keeps.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <thread>

#include "stepped_child.hpp"

namespace nmi_step {

class nursery {
 public:
  /// The lab and the domain must be mapped: the machines have them at the same address.
  nursery() : orders_(*new (map_shared(sizeof(orders))) orders{}), pid_(fork()) {
    if (pid_ == 0) serve();
    if (pid_ < 0) give_up("fork");
  }
  ~nursery() {
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    munmap(&orders_, sizeof(orders));
  }
  nursery(const nursery&) = delete;
  nursery& operator=(const nursery&) = delete;

  /// Starts a machine. Answers the pid of the process, once it has stopped for its tracer or is dead.
  [[nodiscard]] pid_t bear(int& status) {
    set_and_wake(orders_.machines, ++born_);
    pid_t who = -1;
    do {
      who = waitpid(-1, &status, __WALL);
    } while (who < 0 && errno == EINTR);
    if (who == pid_ || who < 0) give_up("a child that shares its parent's memory");
    return who;
  }

  /// A machine has left breakpoints behind, or has ended as no machine should.
  void spoil() { spoilt_ = true; }
  /// The next machine needs another one.
  [[nodiscard]] bool is_worn_out() const { return spoilt_ || born_ >= 100; }  // each leaves its signal stacks behind

  [[nodiscard]] static void* map_shared(size_t bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) give_up("mmap");
    return memory;
  }

 private:
  struct orders {
    word machines{0};
  };

  [[noreturn]] static void give_up(const char* what) {
    perror(what);
    abort();
  }

  [[noreturn]] void serve() {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) _exit(bad_start);
    provide_for_cpu_1();
    for (uint32_t born = 0;; ++born) {
      while (orders_.machines == born) wait_while(orders_.machines, born);
      // Returns when the child is dead.
      if (clone(be_machine, end_of(stack_of_cpu_0), CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, nullptr) < 0)
        _exit(bad_start);
    }
  }
  static int be_machine(void*) { live_as_cpu_0(); }

  // A thread that does nothing, for the thread-local memory that is made with it.
  static void provide_for_cpu_1() {
    std::thread([] {
      thread_locals_of_cpu_1 = pthread_self();
      for (;;) pause();
    }).detach();
    while (thread_locals_of_cpu_1 == 0) sched_yield();
  }

  orders& orders_;
  uint32_t born_ = 0;
  bool spoilt_ = false;
  pid_t pid_;
};

}  // namespace nmi_step
