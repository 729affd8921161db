// SPDX-License-Identifier: BSL-1.0
// From faults on several threads to the end of the process, against the failure handler of Abseil.
// README.md says how to read it.

#include <absl/debugging/failure_signal_handler.h>
#include <benchmark/benchmark.h>

#include "fault_trial.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

constexpr failure_handler report_by_abseil{"abseil",
                                           [] {
                                             absl::FailureSignalHandlerOptions options;
                                             options.symbolize_stacktrace = false;  // we don't either
                                             absl::InstallFailureSignalHandler(options);
                                           },
                                           nullptr, "*** SIGSEGV received at "};

void faults_to_end_vs_abseil(State& state) {
  compare_crashes(state, static_cast<unsigned>(state.range(0)), report_by_lastcpu, report_by_abseil);
}

BENCHMARK(faults_to_end_vs_abseil)->ArgName("threads")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();

}  // namespace
