// SPDX-License-Identifier: BSL-1.0
// How long it takes until every other thread has stopped, against the same by hand, and with losers that have stopped
// themselves against without. README.md says how to read it.

#include <benchmark/benchmark.h>

#include <set>
#include <string>
#include <thread>

#include "raw_stop.hpp"
#include "stop_trial.hpp"
#include "trials.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

// The same threads as those of the other side, so that the scheduler treats them alike; only the stop is not ours.
// `losers` of them are left alone.
trial_result stop_by_hand(unsigned others, pastime how, unsigned losers = 0, processors on = processors::any) {
  return timed_trial(on, [=] {
    raw_stop::install();
    start_crew(others, how, [](unsigned number) {
      raw_stop::enter(number);
      return as_cpu(number);
    });
    await_crew(1, others, how);
    const unsigned running = others - losers;
    const std::uint64_t ns = time_once([running] { raw_stop::stop(running); });
    must(raw_stop::stopped() == running, "all others have stopped");
    return ns;
  });
}

void against_tgkill(State& state, unsigned cpus, pastime how, processors on = processors::any) {
  const unsigned others = cpus - 1;
  compare_trials(
      state, [=] { return stop_by_lastcpu(others, how, 0, on); }, [=] { return stop_by_hand(others, how, 0, on); });
}

// The code is the same on both sides.
void control_stop_by_tgkill(State& state, unsigned cpus) {
  const auto both = [others = cpus - 1] { return stop_by_hand(others, pastime::asleep); };
  compare_trials(state, both, both);
}

// `raw` is the same machine without a loser. The goal for `ratio` is the share of CPUs that are left to stop, and 0.10.
// `by_hand` is what that ratio is by hand where as many of the threads are left alone, measured in the same rounds: it
// says what the host makes of fewer threads.
void with_losers_vs_without(State& state, unsigned cpus, unsigned losers, processors on) {
  const unsigned others = cpus - 1;
  comparison rounds, by_hand;
  const bool ran = run_rounds(state, [&] {
    rounds.add_round(measured([=] { return stop_by_lastcpu(others, pastime::asleep, losers, on); }),
                     measured([=] { return stop_by_lastcpu(others, pastime::asleep, 0, on); }));
    by_hand.add_round(measured([=] { return stop_by_hand(others, pastime::asleep, losers, on); }),
                      measured([=] { return stop_by_hand(others, pastime::asleep, 0, on); }));
  });
  if (!ran) return;
  rounds.report(state);
  state.counters["goal"] = static_cast<double>(others - losers) / others + 0.10;
  state.counters["by_hand"] = by_hand.ratio();
}

template <class... Parameters>
void add(const std::string& name, void (*body)(State&, Parameters...), Parameters... parameters) {
  registered_trial(name, [=](State& state) { body(state, parameters...); });
}

void add_all(unsigned cpus) {
  const std::string n = "/cpus:" + std::to_string(cpus);
  add("control_stop_by_tgkill" + n, control_stop_by_tgkill, cpus);
  add("stop_sleeping_vs_tgkill" + n + "/at:any_processor", against_tgkill, cpus, pastime::asleep, processors::any);
  add("stop_sleeping_vs_tgkill" + n + "/at:one_processor", against_tgkill, cpus, pastime::asleep, processors::one);
  // More threads than processors measure the scheduler's queue: some of it, not seconds of it.
  if (cpus <= 32 || cpus <= 4 * std::thread::hardware_concurrency())
    add("stop_spinning_vs_tgkill" + n, against_tgkill, cpus, pastime::spinning, processors::any);
  if (cpus == 2) return;
  for (const unsigned losers : std::set{0u, cpus / 4, cpus / 2, 3 * cpus / 4, cpus - 2})
    for (const processors on : {processors::any, processors::one})
      add("stop_with_losers_vs_without" + n + "/losers:" + std::to_string(losers) +
              (on == processors::any ? "/at:any_processor" : "/at:one_processor"),
          with_losers_vs_without, cpus, losers, on);
}

const bool all_added = [] {
  for (const unsigned cpus : {2u, 8u, 32u, 128u, 512u}) add_all(cpus);
  return true;
}();

}  // namespace
