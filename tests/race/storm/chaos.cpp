// SPDX-License-Identifier: BSL-1.0
#include "chaos.hpp"

#include <lastcpu/platform/posix/cpu_table.hpp>
#include <lastcpu/platform/posix/futex.hpp>
#include <lastcpu/platform/posix/signals.hpp>

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace storm {
namespace {

struct local_state {
  dice d;
  uint32_t accesses = 0;
};
constinit thread_local local_state mine __attribute__((tls_model("initial-exec"))){};

void spin(uint32_t rounds) noexcept {
  for (uint32_t i = 0; i < rounds; ++i) asm volatile("" ::: "memory");
}

}  // namespace

void log_event(cpu_id cpu, event what, uint32_t value) noexcept {
  if (cpu >= cpu_count) return;
  cpu_area& c = area->cpu[cpu];
  const uint32_t at = c.events.fetch_add(1, order::relaxed);
  if (at >= log_length) return;
  log_entry& e = c.log[at];
  e.what = what;
  e.value = value;
  __atomic_store_n(&e.ns, lastcpu::posix_detail::monotonic_ns(), __ATOMIC_RELEASE);  // the mark that it is whole
}

chaos_plan make_chaos(dice& d) noexcept {
  static constexpr uint32_t densities[] = {0, 6, 24, 64};
  static constexpr uint32_t sleeps[] = {5, 40, 200};
  chaos_plan p;
  p.per_access = densities[d.below(4)];
  p.slow_cpu = d.below(cpu_count);
  p.longest_sleep_us = sleeps[d.below(3)];
  if (d.chance(60)) p.pins[0] = {d.below(4), d.below(24), 50 + d.below(600)};
  return p;
}

void seed_this_cpu(uint64_t seed) noexcept {
  mine = {dice(seed), 0};
}

void sleep_us(uint32_t us) noexcept {
  const timespec t{0, static_cast<long>(us) * 1000};
  nanosleep(&t, nullptr);
}

void disturb() noexcept {
  const cpu_id cpu = lastcpu::posix_detail::this_thread_cpu;
  if (cpu >= cpu_count) return;
  const uint32_t access = mine.accesses++;
  for (const pin& p : plan.pins)
    if (p.us != 0 && p.cpu == cpu && p.access == access) sleep_us(p.us);
  const uint32_t density = cpu == plan.slow_cpu ? plan.per_access * 4 : plan.per_access;
  if (density == 0 || mine.d.below(256) >= density) return;
  switch (mine.d.below(8)) {
    case 0:
      return sleep_us(1 + mine.d.below(plan.longest_sleep_us));
    case 1:
    case 2:
    case 3:
      return spin(mine.d.below(4000));
    default:
      sched_yield();
  }
}

// No sanitizer: it would report the fault instead of letting it happen. A fault can't be masked, but ThreadSanitizer's
// handler runs with everything masked, and one inside it would kill the process.
[[gnu::noinline]] __attribute__((no_sanitize("undefined", "address", "thread"))) void fault_for_real() noexcept {
  const uint64_t faults = lastcpu::posix_detail::signal_bit(SIGSEGV);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &faults, nullptr, sizeof faults);
  int* volatile nowhere = nullptr;
  *static_cast<volatile int*>(nowhere) = 1;
}

void may_fault(fault_point where, bool after) noexcept {
  if (lastcpu::posix_detail::this_thread_cpu >= cpu_count) return;
  const uint32_t bit = 1u << static_cast<uint32_t>(where);
  if ((plan.faults & bit) == 0 || ((plan.faults_after & bit) != 0) != after) return;
  uint32_t fired = area->faults_fired.load(order::relaxed);
  do {
    if ((fired & bit) != 0) return;
  } while (!area->faults_fired.compare_exchange(fired, fired | bit, order::relaxed, order::relaxed));
  log_event(lastcpu::posix_detail::this_thread_cpu, event::faults, static_cast<uint32_t>(where) + 1);
  fault_for_real();
}

}  // namespace storm
