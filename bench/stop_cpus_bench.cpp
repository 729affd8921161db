// SPDX-License-Identifier: BSL-1.0
// How long it takes until every other thread has stopped, against the same by hand, and with losers that have stopped
// themselves against without. README.md says how to read it.

#include <benchmark/benchmark.h>

#include <initializer_list>
#include <set>
#include <thread>

#include "raw_stop.hpp"
#include "stop_trial.hpp"
#include "trials.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

trial_result stop_by_hand(unsigned others, pastime how) {
  return timed_trial([=] {
    raw_stop::install();
    start_crew(others, how, raw_stop::enter);
    await_crew(1, others, how);
    const std::uint64_t ns = time_once([others] { raw_stop::stop(others); });
    must(raw_stop::stopped() == others, "all others have stopped");
    return ns;
  });
}

void against_tgkill(State& state, pastime how) {
  const auto others = static_cast<unsigned>(state.range(0)) - 1;
  compare_trials(
      state, [=] { return stop_by_lastcpu(others, how); }, [=] { return stop_by_hand(others, how); });
}

void stop_sleeping_vs_tgkill(State& state) {
  against_tgkill(state, pastime::asleep);
}
void stop_spinning_vs_tgkill(State& state) {
  against_tgkill(state, pastime::spinning);
}

// The code is the same on both sides.
void control_stop_by_tgkill(State& state) {
  const auto others = static_cast<unsigned>(state.range(0)) - 1;
  const auto both = [others] { return stop_by_hand(others, pastime::asleep); };
  compare_trials(state, both, both);
}

// `raw` is the same machine without a loser. The goal for `ratio` is the share of CPUs that are left to stop, and 0.10.
void stop_with_losers_vs_without(State& state) {
  const auto others = static_cast<unsigned>(state.range(0)) - 1;
  const auto losers = static_cast<unsigned>(state.range(1));
  compare_trials(
      state, [=] { return stop_by_lastcpu(others, pastime::asleep, losers); },
      [=] { return stop_by_lastcpu(others, pastime::asleep); });
  state.counters["goal"] = static_cast<double>(others - losers) / others + 0.10;
}

// What is left to do when the losers have stopped, against the same by hand where there are no others.
void stop_beside_losers_vs_tgkill_alone(State& state) {
  const auto left = static_cast<unsigned>(state.range(0));
  const auto losers = static_cast<unsigned>(state.range(1));
  compare_trials(
      state, [=] { return stop_by_lastcpu(left + losers, pastime::asleep, losers); },
      [=] { return stop_by_hand(left, pastime::asleep); });
}

constexpr std::initializer_list<std::int64_t> sizes{2, 8, 32, 128, 512};

void every_size(benchmark::internal::Benchmark* b) {
  b->ArgName("cpus")->UseRealTime();
  for (const std::int64_t n : sizes) b->Arg(n);
}

// More threads than processors measure the scheduler's queue: some of it, not seconds of it.
void sizes_that_can_spin(benchmark::internal::Benchmark* b) {
  b->ArgName("cpus")->UseRealTime();
  for (const std::int64_t n : sizes)
    if (n <= 32 || n <= std::int64_t{4} * std::thread::hardware_concurrency()) b->Arg(n);
}

void sizes_with_losers(benchmark::internal::Benchmark* b) {
  b->ArgNames({"cpus", "losers"})->UseRealTime();
  for (const std::int64_t n : sizes)
    if (n > 2)
      for (const std::int64_t losers : std::set{std::int64_t{0}, n / 4, n / 2, 3 * n / 4, n - 2}) b->Args({n, losers});
}
void left_beside_losers(benchmark::internal::Benchmark* b) {
  b->ArgNames({"left", "beside"})
      ->UseRealTime()
      ->Args({1, 6})
      ->Args({3, 4})
      ->Args({1, 30})
      ->Args({15, 16})
      ->Args({1, 126});
}

BENCHMARK(control_stop_by_tgkill)->Apply(every_size);
BENCHMARK(stop_sleeping_vs_tgkill)->Apply(every_size);
BENCHMARK(stop_spinning_vs_tgkill)->Apply(sizes_that_can_spin);
BENCHMARK(stop_with_losers_vs_without)->Apply(sizes_with_losers);
BENCHMARK(stop_beside_losers_vs_tgkill_alone)->Apply(left_beside_losers);

}  // namespace
