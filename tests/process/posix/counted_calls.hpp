// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the POSIX port asks of the kernel, counted: it goes through libc's syscall(), which counted_calls.cpp replaces.

#include <lastcpu/atomic.hpp>
#include <lastcpu/platform/posix/cpu_table.hpp>

#include <stdint.h>

namespace posix_test {

struct counted_calls {
  lastcpu::atomic<uint32_t> on{};          // nothing is counted while it is 0
  lastcpu::atomic<uint32_t> wakes{};       // FUTEX_WAKE, by anybody
  lastcpu::atomic<uint32_t> gate_wakes{};  // of those, the ones on gate_word
  const void* gate_word = nullptr;
  void (*instead_of_yield)() = nullptr;       // while it counts: what others do when they are let run
  lastcpu::atomic<uint32_t> waits{};          // FUTEX_WAIT, by anybody
  lastcpu::atomic<uint32_t> endless_waits{};  // of those, the ones without a timeout
  lastcpu::atomic<uint64_t> last_wait_ns{};   // the timeout of the last one that had any
  lastcpu::atomic<uint32_t> yields{};         // sched_yield(), by anybody
  lastcpu::atomic<uint64_t> yields_ns{};      // in sched_yield(), by anybody
  lastcpu::atomic<uint64_t> last_yield_ns{};
  uint32_t populated = 0;  // ranges that were asked for, to be written to
  struct range {
    uintptr_t begin, end;
    [[nodiscard]] bool holds(const void* at, size_t bytes) const {
      const auto first = reinterpret_cast<uintptr_t>(at);
      return begin <= first && first + bytes <= end;
    }
  } population[16];
  struct of_cpu {
    lastcpu::atomic<uint32_t> calls{};     // that it has made
    lastcpu::atomic<uint32_t> wakes{};     // of those, FUTEX_WAKE
    lastcpu::atomic<uint32_t> requests{};  // tgkill() to it
  } cpu[lastcpu::posix_detail::max_cpus];
};
inline counted_calls counted;

/// Counts what `action` and everybody else does meanwhile.
template <class F>
void count_calls_of(F action) {
  counted.on.store(1, lastcpu::order::release);
  action();
  counted.on.store(0, lastcpu::order::release);
}

}  // namespace posix_test
