// SPDX-License-Identifier: BSL-1.0
#include "counted_calls.hpp"

#include <lastcpu/platform/posix/futex.hpp>

#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace posix_test {
namespace {

using lastcpu::order;
using real_syscall = long (*)(long, long, long, long, long, long, long);

real_syscall find_syscall() {
  return reinterpret_cast<real_syscall>(dlsym(RTLD_NEXT, "syscall"));
}
const real_syscall the_real_one = find_syscall();

void count_wait(const timespec* timeout) {
  counted.waits.fetch_add(1, order::relaxed);
  if (timeout == nullptr) {
    counted.endless_waits.fetch_add(1, order::relaxed);
    return;
  }
  const uint64_t ns = static_cast<uint64_t>(timeout->tv_sec) * 1'000'000'000u + static_cast<uint64_t>(timeout->tv_nsec);
  counted.last_wait_ns.store(ns, order::relaxed);
}

void count(long number, const long (&args)[6]) {
  using namespace lastcpu::posix_detail;
  const bool is_cpu = this_thread_cpu < max_cpus;
  if (is_cpu) counted.cpu[this_thread_cpu].calls.fetch_add(1, order::relaxed);
  if (number == SYS_futex && args[1] == FUTEX_WAKE_PRIVATE) {
    if (is_cpu) counted.cpu[this_thread_cpu].wakes.fetch_add(1, order::relaxed);
    counted.wakes.fetch_add(1, order::relaxed);
    if (reinterpret_cast<const void*>(args[0]) == counted.gate_word) counted.gate_wakes.fetch_add(1, order::relaxed);
  }
  if (number == SYS_futex && args[1] == FUTEX_WAIT_PRIVATE) count_wait(reinterpret_cast<const timespec*>(args[3]));
  if (number == SYS_sched_yield) counted.yields.fetch_add(1, order::relaxed);
  if (number == SYS_tgkill)
    for (uint32_t cpu = 0; cpu < max_cpus; ++cpu)
      if (static_cast<long>(cpu_table[cpu].tid.load(order::relaxed)) == args[1])
        counted.cpu[cpu].requests.fetch_add(1, order::relaxed);
}

void note_yield_since(uint64_t before) {
  const uint64_t ns = lastcpu::posix_detail::monotonic_ns() - before;
  counted.yields_ns.fetch_add(ns, order::relaxed);
  counted.last_yield_ns.store(ns, order::relaxed);
}

}  // namespace
}  // namespace posix_test

// Reads six arguments where there may be fewer, as the real one does.
extern "C" __attribute__((no_sanitize("address"))) long syscall(long number, ...) noexcept {
  using namespace posix_test;
  va_list list;
  va_start(list, number);
  long args[6];
  for (long& a : args) a = va_arg(list, long);
  va_end(list);
  const bool on = counted.on.load(order::acquire) != 0;
  if (on) count(number, args);
  if (on && number == SYS_sched_yield && counted.instead_of_yield != nullptr) return counted.instead_of_yield(), 0;
  const real_syscall real = the_real_one != nullptr ? the_real_one : find_syscall();
  const uint64_t before = on ? lastcpu::posix_detail::monotonic_ns() : 0;
  const long result = real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  if (on && number == SYS_sched_yield) note_yield_since(before);
  return result;
}

extern "C" int madvise(void* at, size_t bytes, int advice) noexcept {
  using namespace posix_test;
  constexpr int populate_write = 23;
  if (counted.on.load(lastcpu::order::acquire) != 0 && advice == populate_write && counted.populated < 16) {
    const auto first = reinterpret_cast<uintptr_t>(at);
    counted.population[counted.populated++] = {first, first + bytes};
  }
  return static_cast<int>(syscall(SYS_madvise, at, bytes, advice));
}
