// SPDX-License-Identifier: BSL-1.0
#pragma once
// Two operations against each other on a machine that is not quiet.
//
// One iteration of the benchmark is a round: short batches of ours, raw, raw, ours. What disturbs the machine for
// longer than a round, a neighbour or a change of frequency, disturbs both sides, and the round's ratio stays what it
// is; what is shorter falls on few rounds, and the median does not see it. Both sides are measured by the same code.
//
// Counters: `ours_ns` and `raw_ns` are medians for one operation with its share of the loop; `ratio` is the median of
// the rounds' ratios, `ratio_p25` and `ratio_p75` the quartiles. Google Benchmark's own columns show a whole round.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <vector>

namespace lastcpu_bench {

/// The compiler must produce `value` here, in a register, and may assume nothing about memory afterwards.
/// benchmark::DoNotOptimize would make clang store it.
template <class T>
[[gnu::always_inline]] inline void keep(T value) {
  asm volatile("" : : "r"(value) : "memory");
}

/// The same where there is no value: what was read before this may have changed after it.
[[gnu::always_inline]] inline void forget_memory() {
  asm volatile("" : : : "memory");
}

/// How a batch is made: some microseconds, well above the clock's own and well below a time slice.
struct locked {
  static constexpr int repeats = 1000;
  static constexpr int unrolled = 1;
};
/// A plain operation in a loop of its own, as one waits for something.
struct polled {
  static constexpr int repeats = 16000;
  static constexpr int unrolled = 1;
};
/// Many plain operations, no loop, nothing else to do: every instruction counts, those too that are hidden elsewhere.
struct in_a_row {
  static constexpr int repeats = 2000;
  static constexpr int unrolled = 16;
};

template <int Times, class Operation>
[[gnu::always_inline]] inline void repeat(Operation operation) {
  if constexpr (Times > 0) {
    operation();
    forget_memory();
    repeat<Times - 1>(operation);
  }
}

/// Nanoseconds for one operation. Not inlined: each side is compiled alone.
template <class Kind, class Operation>
[[gnu::noinline]] double time_batch(Operation operation) {
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  for (int i = 0; i < Kind::repeats; ++i) repeat<Kind::unrolled>(operation);
  const std::chrono::duration<double, std::nano> took = clock::now() - start;
  return took.count() / (Kind::repeats * Kind::unrolled);
}

/// `values` must not be empty.
inline double quantile(std::vector<double>& values, double q) {
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// What the rounds measured, and the counters that come of it.
class comparison {
 public:
  void add(double ours_ns, double raw_ns) {
    ours_ns_.push_back(ours_ns);
    raw_ns_.push_back(raw_ns);
    ratios_.push_back(ours_ns / raw_ns);
  }
  /// The same as a round: `ours`, `raw`, `raw`, `ours`.
  template <class Ours, class Raw>
  void add_round(Ours ours, Raw raw) {
    const double ours_first = ours();
    const double raw_first = raw();
    const double raw_again = raw();
    const double ours_again = ours();
    add((ours_first + ours_again) / 2, (raw_first + raw_again) / 2);
  }
  [[nodiscard]] double ratio() { return quantile(ratios_, 0.5); }
  void report(benchmark::State& state) {
    if (ratios_.empty()) return;
    state.counters["ours_ns"] = quantile(ours_ns_, 0.5);
    state.counters["raw_ns"] = quantile(raw_ns_, 0.5);
    state.counters["ratio"] = ratio();
    state.counters["ratio_p25"] = quantile(ratios_, 0.25);
    state.counters["ratio_p75"] = quantile(ratios_, 0.75);
  }

 private:
  std::vector<double> ours_ns_;
  std::vector<double> raw_ns_;
  std::vector<double> ratios_;
};

/// Calls `round` as often as the benchmark wants it. False when that threw; the exception is the benchmark's error.
template <class Round>
[[nodiscard]] bool run_rounds(benchmark::State& state, Round round) {
  try {
    for ([[maybe_unused]] auto each : state) round();
  } catch (const std::exception& e) {
    state.SkipWithError(e.what());
    return false;
  }
  return true;
}

/// The body of a benchmark; `ours` and `raw` return nanoseconds.
template <class Ours, class Raw>
void compare_measured(benchmark::State& state, Ours ours, Raw raw) {
  comparison rounds;
  if (run_rounds(state, [&] { rounds.add_round(ours, raw); })) rounds.report(state);
}

/// The same for short operations, in batches. Both take nothing and are idempotent: they leave everything as they found
/// it.
template <class Kind, class Ours, class Raw>
void compare(benchmark::State& state, Ours ours, Raw raw) {
  compare_measured(
      state, [ours] { return time_batch<Kind>(ours); }, [raw] { return time_batch<Kind>(raw); });
}

/// The body of a benchmark that this host can't run: its line says why, and has no figures.
inline void skip(benchmark::State& state, const std::string& why) {
  for ([[maybe_unused]] auto round : state) {
  }
  state.SetLabel("skipped: " + why);
}

/// A benchmark by its name, `<ours>_vs_<raw>/key:value/...`.
struct registered {
  template <class Run>
  registered(const std::string& name, Run run) {
    benchmark::RegisterBenchmark(name.c_str(), run);
  }
};

/// One whose work is not this thread's: as many rounds as fit in real time. Google Benchmark adds `/real_time` to its name.
struct registered_trial {
  template <class Run>
  registered_trial(const std::string& name, Run run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->UseRealTime();
  }
};

}  // namespace lastcpu_bench
