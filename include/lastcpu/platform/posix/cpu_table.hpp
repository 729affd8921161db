// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which thread is which CPU.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// The gate can name more; the tables in .bss are what grows with it.
inline constexpr cpu_id max_cpus = 1024;

struct cpu_entry {
  atomic<uint32_t> tid{};  // 0: nobody is this CPU
  siginfo_t fault{};       // the first synchronous fault of this CPU; si_signo 0: none
};

inline constinit cpu_entry cpu_table[max_cpus]{};
inline constinit atomic<uint32_t> highest_cpu_ever{};  // one past it

// initial-exec: a lazily allocated thread_local would call malloc inside a signal handler.
inline constinit thread_local cpu_id this_thread_cpu __attribute__((tls_model("initial-exec"))) = no_cpu;

[[nodiscard]] inline uint32_t this_tid() noexcept {
  return static_cast<uint32_t>(syscall(SYS_gettid));
}

/// Makes this thread CPU `cpu`; false when another thread is. `cpu` is in range.
inline bool take_cpu(cpu_id cpu) noexcept {
  uint32_t high = highest_cpu_ever.load(order::relaxed);  // first: who is online is below the limit
  while (high <= cpu && !highest_cpu_ever.compare_exchange(high, cpu + 1, order::acq_rel, order::relaxed)) {
  }
  uint32_t nobody = 0;
  if (!cpu_table[cpu].tid.compare_exchange(nobody, this_tid(), order::acq_rel, order::acquire)) return false;
  this_thread_cpu = cpu;
  return true;
}

/// The lowest free number for this thread, or max_cpus.
inline cpu_id take_any_cpu() noexcept {
  for (cpu_id cpu = 0; cpu < max_cpus; ++cpu)
    if (cpu_table[cpu].tid.load(order::relaxed) == 0 && take_cpu(cpu)) return cpu;
  return max_cpus;
}

inline void leave_cpu() noexcept {
  const cpu_id me = this_thread_cpu;
  this_thread_cpu = no_cpu;
  cpu_table[me].fault = siginfo_t{};
  cpu_table[me].tid.store(0, order::release);
}

/// In the child of a fork: a new machine, of which the forking thread is the only CPU, under its old number.
inline void restart_table_after_fork() noexcept {
  for (cpu_id cpu = 0; cpu < highest_cpu_ever.load(order::relaxed); ++cpu) {
    cpu_table[cpu].fault.si_signo = 0;
    if (cpu != this_thread_cpu) cpu_table[cpu].tid.store(0, order::relaxed);
  }
  if (this_thread_cpu < max_cpus) cpu_table[this_thread_cpu].tid.store(this_tid(), order::relaxed);
}

}  // namespace lastcpu::posix_detail
