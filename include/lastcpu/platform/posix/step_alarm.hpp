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
  uintptr_t value;
  int32_t signal;
  int32_t notify;  // 4: one thread
  int32_t tid;
  unsigned char unused[64 - sizeof(uintptr_t) - 12];
};
static_assert(sizeof(kernel_sigevent) == 64);

/// The kernel's number of the timer, and the process that has it; 0: none. The owner's alone.
struct step_timer {
  int32_t id;
  pid_t pid;
};
inline constinit step_timer timer_of_steps{};

}  // namespace posix_detail

/// For Policy::before_step(): the step that begins now may take `budget_ms`; 0: as long as it likes. Then its thread gets
/// SIGABRT, and once more after each further `budget_ms`. That counts as a fault in the step: the panic goes on with the next
/// one, and still ends by the signal that began it. The owner of the gate, any context.
/// - For a machine that takes faults: where posix_options::on_fault is `none`, the process dies of that SIGABRT.
/// - Longer than the longest of these: the rungs of the stop, the policy's restart_delay_us, the check of the image, and the
///   kernel's own words between panic_begin() and panic_end(). What is cut off there costs CPUs their place in the report,
///   the delay, or the dump.
/// - No bound where the kernel has no timer to give (RLIMIT_SIGPENDING), nor for a step that masks SIGABRT.
/// - A sandbox must allow timer_create, timer_settime and timer_delete: else each step begins with a fault.
inline void posix_step_alarm(uint32_t budget_ms) noexcept {
  // Anew each time, for this thread, by system calls: the C library's functions may allocate. The child of a fork has no
  // timer, and one of the program's may have that number.
  auto& [id, owner] = posix_detail::timer_of_steps;
  const pid_t pid = getpid();
  if (owner == pid) syscall(SYS_timer_delete, id);
  posix_detail::kernel_sigevent event{0, SIGABRT, 4, static_cast<int32_t>(posix_detail::this_tid()), {}};
  owner = syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0 ? pid : 0;
  const timespec budget{budget_ms / 1000, static_cast<long>(budget_ms % 1000) * 1'000'000};
  const itimerspec again_and_again{budget, budget};
  if (owner == pid) syscall(SYS_timer_settime, id, 0, &again_and_again, nullptr);
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
