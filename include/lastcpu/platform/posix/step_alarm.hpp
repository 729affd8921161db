// SPDX-License-Identifier: BSL-1.0
#pragma once
// A bound for each step of a panic on threads: a report that hangs, on a lock or in a file system that does not answer,
// would keep the process for ever.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/cpu_table.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace lastcpu {
namespace posix_detail {

/// A sigevent as the kernel has it: the C libraries have different names for the thread.
struct kernel_sigevent {
  uint64_t value;
  int32_t signal;
  int32_t notify;  // 4: one thread
  int32_t tid;
  int32_t unused[11];
};
static_assert(sizeof(kernel_sigevent) == 64);

/// The kernel's number of the timer, and whether there is one. The owner's alone.
struct step_timer {
  int32_t id;
  bool made;
};
inline constinit step_timer timer_of_steps{};

}  // namespace posix_detail

/// For Policy::before_step(): the step that begins now may take `budget_ms`. Then its thread gets SIGABRT, which counts as
/// a fault in that step: the panic goes on with the next one, and still ends by the signal that began it. The owner of
/// the gate, any context; for a machine that takes faults (posix_options::on_fault is not none, else the process dies of
/// that SIGABRT).
/// - Longer than the rungs of the stop: what cuts them off leaves CPUs unnamed.
/// - No bound where the kernel has no timer to give (RLIMIT_SIGPENDING).
/// - A step that masks SIGABRT has none.
inline void posix_step_alarm(uint32_t budget_ms) noexcept {
  // Anew each time, for this thread, by system calls: the C library's functions may allocate. In the child of a fork there is
  // none to delete.
  auto& [id, made] = posix_detail::timer_of_steps;
  if (made) syscall(SYS_timer_delete, id);
  posix_detail::kernel_sigevent event{0, SIGABRT, 4, static_cast<int32_t>(posix_detail::this_tid()), {}};
  made = syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0;
  const itimerspec once{{0, 0}, {budget_ms / 1000, static_cast<long>(budget_ms % 1000) * 1'000'000}};
  if (made) syscall(SYS_timer_settime, id, 0, &once, nullptr);
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
