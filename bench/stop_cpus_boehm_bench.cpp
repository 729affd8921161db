// SPDX-License-Identifier: BSL-1.0
// How long it takes until every other thread has stopped, against the stop-the-world of the Boehm garbage collector.
// README.md says how to read it.

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include <benchmark/benchmark.h>

#include "stop_trial.hpp"
#include "trials.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

/// A thread that the collector stops, as long as this lives.
struct as_gc_thread {
  as_gc_thread() {
    GC_stack_base base;
    must(GC_get_stack_base(&base) == GC_SUCCESS, "the collector finds the stack");
    must(GC_register_my_thread(&base) == GC_SUCCESS, "the thread is the collector's");
  }
  ~as_gc_thread() { GC_unregister_my_thread(); }
  as_gc_thread(const as_gc_thread&) = delete;
};

trial_result stop_by_boehm(unsigned others, pastime how) {
  return timed_trial(processors::any, [=] {
    GC_INIT();
    GC_allow_register_threads();
    start_crew(others, how, [](unsigned) { return as_gc_thread(); });
    await_crew(1, others, how);
    return time_once([] { GC_stop_world_external(); });
  });
}

void against_boehm(State& state, pastime how) {
  const auto others = static_cast<unsigned>(state.range(0)) - 1;
  compare_trials(
      state, [=] { return stop_by_lastcpu(others, how); }, [=] { return stop_by_boehm(others, how); });
}

void stop_sleeping_vs_boehm(State& state) {
  against_boehm(state, pastime::asleep);
}
void stop_spinning_vs_boehm(State& state) {
  against_boehm(state, pastime::spinning);
}

BENCHMARK(stop_sleeping_vs_boehm)->ArgName("cpus")->Arg(2)->Arg(8)->Arg(32)->Arg(128)->Arg(512)->UseRealTime();
BENCHMARK(stop_spinning_vs_boehm)->ArgName("cpus")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();

}  // namespace
