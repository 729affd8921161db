// SPDX-License-Identifier: BSL-1.0
// From faults on several threads to the end of the process, against the failure handler of glog.
// README.md says how to read it.

#include <benchmark/benchmark.h>
#include <glog/logging.h>

#include "fault_trial.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

constexpr failure_handler report_by_glog{"glog", [] { google::InstallFailureSignalHandler(); }, nullptr,
                                         "*** SIGSEGV (@"};

void faults_to_end_vs_glog(State& state) {
  compare_crashes(state, static_cast<unsigned>(state.range(0)), report_by_lastcpu, report_by_glog);
}

BENCHMARK(faults_to_end_vs_glog)->ArgName("threads")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();

}  // namespace
