// SPDX-License-Identifier: BSL-1.0
// From faults on several threads to the end of the process, against the failure handler of glog: in place, which names no
// function, and by the crash reporter, which does as glog does.
// README.md says how to read it.

#include <benchmark/benchmark.h>
#include <glog/logging.h>
#include <lastcpu/process/crash_reporter.hpp>

#include "fault_trial.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

constexpr failure_handler report_by_glog{"glog", [] { google::InstallFailureSignalHandler(); }, nullptr,
                                         "*** SIGSEGV (@"};

void faults_to_end_vs_glog(State& state) {
  compare_crashes(state, static_cast<unsigned>(state.range(0)), report_by_lastcpu, report_by_glog);
}

constexpr failure_handler report_by_crash_reporter{
    "crash reporter", [] { must(lastcpu::install_crash_reporter().empty(), "the crash reporter is installed"); },
    nullptr, "has crashed ***"};

void reported_faults_to_end_vs_glog(State& state) {
  compare_crashes(state, static_cast<unsigned>(state.range(0)), report_by_crash_reporter, report_by_glog);
}

BENCHMARK(faults_to_end_vs_glog)->ArgName("threads")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();
BENCHMARK(reported_faults_to_end_vs_glog)->ArgName("threads")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();

}  // namespace
