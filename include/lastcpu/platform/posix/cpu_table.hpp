// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which thread is which CPU: a table of thread ids, one entry for each CPU.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/faults.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// The gate could name more CPUs; each one costs memory in the machine's tables.
inline constexpr cpu_id max_cpus = 1024;

struct cpu_entry {
  atomic<uint32_t> tid{};  // 0: no thread is this CPU
  siginfo_t fault{};       // the first synchronous fault of this CPU; none while si_signo is 0

  void forget() noexcept { fault = siginfo_t{}; }
};

inline constinit cpu_entry cpu_table[max_cpus]{};
inline constinit atomic<uint32_t> highest_cpu_ever{};  // one past the highest number that was ever taken

// initial-exec: a lazily allocated thread_local would call malloc inside a signal handler.
inline constinit thread_local cpu_id this_thread_cpu __attribute__((tls_model("initial-exec"))) = no_cpu;

[[nodiscard]] inline uint32_t this_tid() noexcept {
  return static_cast<uint32_t>(syscall(SYS_gettid));
}

// The protocol of the table, as templates, so that the model can explore it (tests/race/model/cpu_table_model.cpp). Entry
// has the word `tid` and forget(); Limit is the word one past the highest number ever.

/// Takes the entry `cpu` for the thread `tid`. False when another thread has it. Who sees the thread online also sees
/// it below the limit.
template <class Entry, class Limit>
[[nodiscard]] bool take_entry(Entry* table, Limit& limit, cpu_id cpu, uint32_t tid) noexcept {
  uint32_t high = limit.load(order::relaxed);
  while (high <= cpu && !limit.compare_exchange(high, cpu + 1, order::relaxed, order::relaxed)) {  // published by (1)
  }
  uint32_t nobody = 0;
  // (1) acq_rel: pairs with release (2) and acquire (5). relaxed on failure: nothing is read on it.
  if (!table[cpu].tid.compare_exchange(nobody, tid, order::acq_rel, order::relaxed)) return false;
  (void)limit.fetch_add(0, order::acq_rel);  // (3) acq_rel: pairs with acq_rel (4)
  return true;
}

/// One past the highest number so far.
/// (4) acq_rel: pairs with acq_rel (3). The owner calls this after its commit, a new CPU exchanges in (3) before it
/// looks at the gate. One of the two exchanges is first: either the owner sees the thread, or the thread sees the
/// commit.
template <class Limit>
[[nodiscard]] uint32_t limit_of(Limit& limit) noexcept {
  return limit.fetch_add(0, order::acq_rel);  // (4)
}

/// A thread has the entry.
/// (5) acquire: pairs with acq_rel (1), so that who sees the thread sees it below the limit.
template <class Entry>
[[nodiscard]] bool is_taken(const Entry& e) noexcept {
  return e.tid.load(order::acquire) != 0;  // (5)
}

/// Takes the lowest free entry below `end`; `end` when none is free.
template <class Entry, class Limit>
[[nodiscard]] cpu_id take_any_entry(Entry* table, cpu_id end, Limit& limit, uint32_t tid) noexcept {
  for (cpu_id cpu = 0; cpu < end; ++cpu)
    if (table[cpu].tid.load(order::relaxed) == 0 && take_entry(table, limit, cpu, tid)) return cpu;
  return end;
}

template <class Entry>
void leave_entry(Entry& mine) noexcept {
  mine.forget();
  mine.tid.store(0, order::release);  // (2) release: pairs with acq_rel (1). The next thread finds no fault
}

/// While it lives, no signal but a fault comes to this thread. A stop that came where the table has the thread, and the
/// thread not its number, would park it without an answer, and the owner would wait out the budget for it.
class signals_held {
 public:
  signals_held() noexcept {
    const uint64_t held = ~fault_mask();
    held_ = syscall(SYS_rt_sigprocmask, SIG_BLOCK, &held, &before_, sizeof before_) == 0;
  }
  ~signals_held() {
    if (held_) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_);
  }
  signals_held(const signals_held&) = delete;
  signals_held& operator=(const signals_held&) = delete;

 private:
  uint64_t before_ = 0;
  bool held_ = false;
};

/// Makes this thread CPU `cpu`; false when another thread is that CPU. `cpu` is below max_cpus.
inline bool take_cpu(cpu_id cpu) noexcept {
  const signals_held held;
  if (!take_entry(cpu_table, highest_cpu_ever, cpu, this_tid())) return false;
  this_thread_cpu = cpu;
  return true;
}

/// The number that the table has for this thread already: a fault may come where the thread does not know it. Else the
/// lowest free one, or max_cpus.
inline cpu_id take_any_cpu() noexcept {
  const signals_held held;
  const uint32_t tid = this_tid();
  // relaxed, both: what it looks for it has stored itself.
  const cpu_id end = highest_cpu_ever.load(order::relaxed);
  for (cpu_id cpu = 0; cpu < end; ++cpu)
    if (cpu_table[cpu].tid.load(order::relaxed) == tid) return this_thread_cpu = cpu;
  const cpu_id cpu = take_any_entry(cpu_table, max_cpus, highest_cpu_ever, tid);
  if (cpu < max_cpus) this_thread_cpu = cpu;
  return cpu;
}

inline void leave_cpu() noexcept {
  const signals_held held;
  const cpu_id me = this_thread_cpu;
  this_thread_cpu = no_cpu;
  leave_entry(cpu_table[me]);
}

/// For the child of a fork, a new machine: the forking thread keeps its number, and no other thread is a CPU.
inline void restart_table_after_fork() noexcept {
  for (cpu_id cpu = 0; cpu < highest_cpu_ever.load(order::relaxed); ++cpu) {
    cpu_table[cpu].fault.si_signo = 0;
    if (cpu != this_thread_cpu) cpu_table[cpu].tid.store(0, order::relaxed);
  }
  if (this_thread_cpu < max_cpus) cpu_table[this_thread_cpu].tid.store(this_tid(), order::relaxed);
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
