// SPDX-License-Identifier: BSL-1.0
#include "cpu_watch.hpp"

#include "chaos.hpp"

#include <lastcpu/platform/posix/cpu_table.hpp>
#include <lastcpu/platform/posix/futex.hpp>

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace storm {
namespace {

constexpr uint32_t deepest = 8;
struct interrupted_code {
  cpu_state states[deepest];
  uint32_t depth = 0;
};
constinit thread_local interrupted_code interrupted __attribute__((tls_model("initial-exec"))){};

constinit lastcpu::atomic<uint32_t> hardware_done{};

[[nodiscard]] bool nobody_runs_but(cpu_id me) noexcept {
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu)
    if (cpu != me && area->cpu[cpu].state.load(order::acquire) == static_cast<uint32_t>(cpu_state::running))
      return false;
  return true;
}

[[nodiscard]] uint64_t number_after(const char* status, const char* name, int base) noexcept {
  const char* at = strstr(status, name);
  return at != nullptr ? strtoull(at + strlen(name), nullptr, base) : 0;
}

// The kernel's word: it sleeps, and no signal that it would take is pending. `times`: how often it has gone to sleep.
[[nodiscard]] bool sleeps_undisturbed(uint32_t tid, uint64_t& times) noexcept {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%u/status", tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[4096];
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  const char* state = strstr(text, "\nState:\t");
  if (state == nullptr || state[8] != 'S') return false;
  times = number_after(text, "\nvoluntary_ctxt_switches:\t", 10);
  return (number_after(text, "\nSigPnd:\t", 16) & ~number_after(text, "\nSigBlk:\t", 16)) == 0;
}

struct sleeps {
  uint64_t of[cpu_count]{};
};

[[nodiscard]] bool others_look_at_rest(cpu_id me, sleeps& s) noexcept {
  if (hardware_done.load(order::acquire) == 0 || !nobody_runs_but(me)) return false;
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
    const uint32_t tid = area->cpu[cpu].tid.load(order::acquire);
    if (cpu != me && tid != 0 && !sleeps_undisturbed(tid, s.of[cpu])) return false;
  }
  return true;
}

// Everybody has woken and gone to sleep again between the two looks; a parked CPU takes no signal any more.
[[nodiscard, maybe_unused]] bool others_slept_anew(cpu_id me, const sleeps& before, const sleeps& now) noexcept {
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
    const cpu_area& c = area->cpu[cpu];
    if (cpu == me || c.tid.load(order::acquire) == 0) continue;
    if (c.state.load(order::acquire) == static_cast<uint32_t>(cpu_state::parked)) continue;
    if (now.of[cpu] == before.of[cpu]) return false;
  }
  return true;
}

}  // namespace

bool others_are_at_rest(cpu_id me) noexcept {
  using lastcpu::posix_detail::longest_sleep_ns;
  const uint32_t before = area->activity.load(order::acquire);
  sleeps first;
  if (!others_look_at_rest(me, first)) return false;
  // ThreadSanitizer's runtime may have taken a signal from the kernel and keep it from a thread that sleeps, until it
  // wakes; and a handler may sleep in the runtime, for a lock, before it says that it runs. No time is long enough for
  // either: the processor that it takes may not be running. A thread that has slept anew has both behind it.
  if constexpr (longest_sleep_ns != lastcpu::no_deadline) {
    sleep_us(2 * longest_sleep_ns / 1000);
    sleeps second;
    if (!others_look_at_rest(me, second) || !others_slept_anew(me, first, second)) return false;
  }
  return area->activity.load(order::acquire) == before && nobody_runs_but(me);
}

void hardware_is_done() noexcept {
  hardware_done.store(1, order::release);
}

void enter_state(cpu_id cpu, cpu_state s) noexcept {
  if (cpu >= cpu_count) return;
  area->cpu[cpu].state.store(static_cast<uint32_t>(s), order::release);
  // acq_rel: of two CPUs that come to rest at once, the later one sees the other's state.
  area->activity.fetch_add(1, order::acq_rel);
  if (s == cpu_state::running || !nobody_runs_but(cpu)) return;
  area->all_quiet.fetch_add(1, order::release);
  syscall(SYS_futex, area->all_quiet.address(), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void enter_handler(cpu_id cpu, bool nmi) noexcept {
  if (cpu >= cpu_count) return;
  cpu_area& c = area->cpu[cpu];
  if (interrupted.depth < deepest)
    interrupted.states[interrupted.depth] = static_cast<cpu_state>(c.state.load(order::relaxed));
  ++interrupted.depth;
  if (nmi) c.nmi_depth.fetch_add(1, order::relaxed);
  enter_state(cpu, cpu_state::running);
}

void leave_handler(cpu_id cpu, bool nmi) noexcept {
  if (cpu >= cpu_count) return;
  if (nmi) area->cpu[cpu].nmi_depth.fetch_add(~uint32_t{0}, order::relaxed);
  --interrupted.depth;
  enter_state(cpu, interrupted.depth < deepest ? interrupted.states[interrupted.depth] : cpu_state::running);
}

void wait_until_at_rest() noexcept {
  static constexpr uint64_t look_again_ns = 50'000'000;
  for (;;) {
    const uint32_t seen = area->all_quiet.load(order::acquire);
    if (nobody_runs_but(lastcpu::no_cpu)) {
      if (others_are_at_rest(lastcpu::no_cpu)) return;
      sleep_us(200);
      continue;
    }
    const timespec t{0, static_cast<long>(look_again_ns)};
    syscall(SYS_futex, area->all_quiet.address(), FUTEX_WAIT, seen, &t, nullptr, 0);
  }
}

}  // namespace storm
