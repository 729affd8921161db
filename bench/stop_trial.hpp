// SPDX-License-Identifier: BSL-1.0
#pragma once
// One stop of a process full of threads by this library, timed: from before the commit to the report.

#include "child_process.hpp"
#include "crew.hpp"
#include "topology.hpp"
#include "trials.hpp"

#include <lastcpu/panic.hpp>
#include <lastcpu/platform/posix.hpp>

#include <cstddef>
#include <cstdint>
#include <thread>

namespace lastcpu_bench {

/// Where the threads of a trial run.
enum class processors {
  any,  // where the scheduler puts them: what sleeps is woken on a processor that sleeps, too
  one,  // all on one, the owner's: nothing waits for a processor to wake up
};

/// Runs `body` in a child; it returns the nanoseconds of what it timed.
template <class Body>
trial_result timed_trial(processors on, Body body) {
  struct timing {
    std::uint64_t ns;
  };
  const child_process<timing> child{[on, &body](timing& out) {
    if (on == processors::one) must(pin_to(allowed_cpus().front()), "the process is on one processor");
    out.ns = body();
  }};
  return {static_cast<double>(child.figures().ns), child.error()};
}

/// A page of the stack that this process has inherited is copied when it is first written: a cost of the trial's fork,
/// which nothing that is timed shall pay.
[[gnu::noinline]] inline void have_a_stack() noexcept {
  volatile char room[16 * 1024];
  for (std::size_t i = 0; i < sizeof room; i += 1024) room[i] = 0;
}

template <class Action>
std::uint64_t time_once(Action action) {
  have_a_stack();
  const std::uint64_t start = monotonic_ns();
  action();
  return monotonic_ns() - start;
}

/// Of hundreds of threads on a loaded host some answer late: that is a figure, and no second request.
struct patient : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 10'000'000}, {lastcpu::stop_how::nmi, 10'000'000}};
};
inline constinit lastcpu::crash_domain<lastcpu::posix, patient> machine;

/// A thread that is a CPU as long as this lives.
struct as_cpu {
  explicit as_cpu(unsigned number) : guard(number) { must(bool(guard), "the thread is a CPU"); }
  lastcpu::cpu_guard guard;
};

/// A thread that loses the race to CPU 0 and waits, asleep, for what becomes of it.
inline void start_loser(unsigned number) {
  std::thread([number] {
    const as_cpu cpu(number);
    say_ready(number);
    machine.panic("too late");
  }).detach();
}

/// CPU 0 stops `others`, of which the last `losers` have panicked too late and wait.
inline trial_result stop_by_lastcpu(unsigned others, pastime how, unsigned losers = 0,
                                    processors on = processors::any) {
  return timed_trial(on, [=] {
    must(lastcpu::posix_install(machine).empty(), "the handlers are in place");
    const as_cpu me(0);
    must(lastcpu::detail::inside::of(machine).gate.claim(lastcpu::hold::final).won(), "CPU 0 panics first");
    const unsigned running = others - losers;
    start_crew(running, how, [](unsigned number) { return as_cpu(number); });
    for (unsigned number = running + 1; number <= others; ++number) start_loser(number);
    await_crew(1, running, how);
    await_crew(running + 1, others, pastime::asleep);
    for (unsigned number = running + 1; number <= others; ++number)
      must(machine.cpus().acknowledged(number), "the loser counts as stopped");
    lastcpu::stop_report<lastcpu::posix::max_cpus> report;
    const std::uint64_t ns = time_once([&report] {
      must(lastcpu::detail::inside::of(machine).gate.commit(), "CPU 0 commits");
      report = machine.stop_others();
    });
    must(report.count(lastcpu::stop_state::by_irq) == running, "the others are stopped by one request each");
    must(report.count(lastcpu::stop_state::parked) == losers, "the losers are stopped");
    return ns;
  });
}

}  // namespace lastcpu_bench
