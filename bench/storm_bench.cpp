// SPDX-License-Identifier: BSL-1.0
// A storm: pinned CPUs claim the gate at one moment. How long until the winner is in, and until the last loser has
// acknowledged and goes to sleep? Against what nobody can do without: a compare-exchange that one wins, and for the
// others a flag and a sleep in the kernel. README.md says how to read it.
//
// Both ours and raw write the time into a slot of their CPU, right behind the exchange that wins and right before the
// store that acknowledges.

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform/posix.hpp>
#include <lastcpu/self_stop.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "child_process.hpp"
#include "interleaved.hpp"
#include "raw_word.hpp"
#include "topology.hpp"

namespace {

using benchmark::State;
using lastcpu::cpu_id;
using lastcpu::hold;
using lastcpu::posix;
using namespace lastcpu_bench;

struct alignas(64) slot {
  std::atomic<uint64_t> at{0};    // when this CPU won, or stopped
  std::atomic<uint32_t> gone{0};  // a raw loser's acknowledgement
};
slot slots[posix::max_cpus];
std::atomic<cpu_id> winner{lastcpu::no_cpu};

void note_time(cpu_id me) {
  slots[me].at.store(posix::now(), std::memory_order_relaxed);
}
void note_winner(cpu_id me) {
  winner.store(me, std::memory_order_release);
}

struct timed_posix : posix {
  static void trace(const lastcpu::trace_event& e) noexcept {
    if (e.kind == lastcpu::trace_kind::claim_won || e.kind == lastcpu::trace_kind::acknowledged) note_time(e.cpu);
  }
};

struct ours {
  static inline constinit lastcpu::panic_cpu<timed_posix> gate{};
  static inline constinit lastcpu::stop_cpus<timed_posix> cpus{};

  /// On each CPU before the storm: a fork leaves pages to be faulted in, and a machine that dies has nothing of that.
  static void warm_up(cpu_id me) {
    if (me == 0) run_the_code();
    std::construct_at(&gate);
    std::construct_at(&cpus);
  }
  static void run_the_code() {
    static constinit lastcpu::panic_cpu<timed_posix> another_gate{};
    static constinit lastcpu::stop_cpus<timed_posix> other_cpus{};
    lastcpu::wait_for_gate(another_gate, other_cpus, nullptr);  // which it finds open
    (void)another_gate.claim(hold::final);
    (void)another_gate.wait_while(another_gate.read(), posix::now() + 1);
  }
  static void claim(cpu_id me) {
    if (!gate.claim(hold::final).won()) lastcpu::wait_for_gate(gate, cpus, nullptr);
    note_winner(me);
  }
  static bool has_stopped(cpu_id cpu) { return cpus.acknowledged(cpu); }
};

struct raw {
  alignas(64) static inline constinit uintptr_t word = 0;

  static void warm_up(cpu_id) {
    sleep_while(0, 1);
    raw_store(word, 0);
  }
  static void claim(cpu_id me) {
    if (raw_compare_exchange(word, 0, me + 1)) {
      note_time(me);
      return note_winner(me);
    }
    note_time(me);
    slots[me].gone.store(1, std::memory_order_release);
    for (;;) sleep_while(raw_load(word), lastcpu::no_deadline);
  }
  static void sleep_while(uintptr_t seen, uint64_t ns) {
    lastcpu::posix_detail::futex_sleep(reinterpret_cast<const uint32_t*>(&word), static_cast<uint32_t>(seen), ns);
  }
  static bool has_stopped(cpu_id cpu) { return slots[cpu].gone.load(std::memory_order_acquire) != 0; }
};

// Everybody comes, then everybody goes at one moment.
class start_line {
 public:
  /// For each CPU.
  void wait() {
    here_.fetch_add(1, std::memory_order_release);
    at_.wait(0, std::memory_order_acquire);
    while (posix::now() < at_.load(std::memory_order_relaxed)) {
    }
  }
  /// For who starts them: the moment.
  uint64_t start(std::size_t cpus) {
    while (here_.load(std::memory_order_acquire) != cpus) usleep(100);
    const uint64_t at = posix::now() + lead_ns;
    at_.store(at, std::memory_order_release);
    at_.notify_all();
    return at;
  }

 private:
  static constexpr uint64_t lead_ns = 2'000'000;  // to wake them all
  std::atomic<std::size_t> here_{0};
  std::atomic<uint64_t> at_{0};
};
start_line line;

struct storm_times {
  double winner_in;
  double last_parked;
};

// The child: one storm on these CPUs.
template <class Side>
void storm(storm_times& times, const std::vector<int>& cpus) {
  for (cpu_id me = 0; me < cpus.size(); ++me)
    std::thread([me, cpu = cpus[me]] {
      must(pin_to(cpu), "a thread can't be pinned to its CPU");
      const lastcpu::cpu_guard guard(me);
      must(static_cast<bool>(guard), "a thread is not registered as a CPU");
      Side::warm_up(me);
      note_time(me);
      line.wait();
      Side::claim(me);
      for (;;) pause();
    }).detach();
  const uint64_t start = line.start(cpus.size());
  cpu_id first = lastcpu::no_cpu;
  while ((first = winner.load(std::memory_order_acquire)) == lastcpu::no_cpu) usleep(100);
  uint64_t last = 0;
  for (cpu_id cpu = 0; cpu < cpus.size(); ++cpu) {
    if (cpu == first) continue;
    while (!Side::has_stopped(cpu)) usleep(100);
    last = std::max(last, slots[cpu].at.load(std::memory_order_relaxed));
  }
  times = {static_cast<double>(slots[first].at.load(std::memory_order_relaxed) - start),
           last == 0 ? 0 : static_cast<double>(last - start)};
}

template <class Side>
double time_of(const std::vector<int>& cpus, double storm_times::*what) {
  return figures_of_child<storm_times>([&cpus](storm_times& times) { storm<Side>(times, cpus); }).*what;
}

void add(const std::string& name, double storm_times::*what, const placement& where) {
  registered_trial(name, [what, where](State& state) {
    if (!where.missing.empty()) return skip(state, where.missing);
    compare_measured(
        state, [&] { return time_of<ours>(where.cpus, what); }, [&] { return time_of<raw>(where.cpus, what); });
  });
}

void add_both(const placement& where, std::size_t cpus) {
  const std::string rest = "/cpus:" + std::to_string(cpus) + "/at:" + where.name;
  add("winner_in_vs_cmpxchg" + rest, &storm_times::winner_in, where);
  if (cpus > 1) add("last_parked_vs_flag_and_sleep" + rest, &storm_times::last_parked, where);
}

placement as_many(const topology& host, const std::string& name, std::size_t cpus) {
  if (cpus > posix::max_cpus)
    return {name, {}, "the POSIX port has " + std::to_string(posix::max_cpus) + " CPUs, not " + std::to_string(cpus)};
  return {name, host.spread(cpus), ""};
}

[[maybe_unused]] const bool all_added = [] {
  const topology host;
  for (const placement& pair : host.pairs()) add_both(pair, 2);
  for (const std::size_t cpus : host.counts()) add_both(as_many(host, "spread", cpus), cpus);
  const std::size_t twice = 2 * host.allowed().size();
  add_both(as_many(host, "two_on_each", twice), twice);
  return true;
}();

}  // namespace
