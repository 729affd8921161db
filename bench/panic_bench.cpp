// SPDX-License-Identifier: BSL-1.0
// From a fault to the capture program's first line, against a handler that does nothing but become that program; and
// from faults on several threads to the end of the process, against no handler at all. README.md says how to read it.

#include <lastcpu/platform/posix/capture_program.hpp>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "crash_times.hpp"
#include "fault_trial.hpp"
#include "stop_trial.hpp"
#include "trials.hpp"

namespace {

using namespace lastcpu_bench;
using benchmark::State;

lastcpu::capture_program open_first_line() {
  lastcpu::capture_program image;
  std::string error;
  must(lastcpu::open_capture_program(LASTCPU_BENCH_FIRST_LINE, image, error), error.c_str());
  must(setenv(figures_variable, std::to_string(figures_fd_here).c_str(), 1) == 0, "the environment has room");
  return image;
}

/// From the fault in a child that `prepare`s for it, to the first line.
template <class Prepare>
trial_result time_to_first_line(Prepare prepare) {
  const child_process<crash_times> child{[&prepare](crash_times& times) {
    [[maybe_unused]] const auto kept = prepare();
    times.fault_ns = monotonic_ns();
    fault();
  }};
  const crash_times& t = child.figures();
  if (const std::string error = child.error(); !error.empty()) return {0, error};
  if (t.first_line_ns <= t.fault_ns) return {0, "a trial failed: the capture program has not run"};
  return {static_cast<double>(t.first_line_ns - t.fault_ns), {}};
}

trial_result first_line_by_lastcpu(unsigned others) {
  return time_to_first_line([others] {
    must(lastcpu::posix_install(machine).empty(), "the handlers are in place");
    must(machine.image().load(open_first_line()) == lastcpu::load_outcome::loaded, "the capture program is loaded");
    start_crew(others, pastime::asleep, [](unsigned number) { return as_cpu(number); });
    await_crew(1, others, pastime::asleep);
    return as_cpu(0);
  });
}

int program_by_hand = -1;

void become_by_hand(int) {
  char name[] = "capture";
  char* const arguments[] = {name, nullptr};
  syscall(SYS_execveat, program_by_hand, "", arguments, environ, AT_EMPTY_PATH);
  _exit(1);
}

trial_result first_line_by_hand(unsigned others) {
  return time_to_first_line([others] {
    program_by_hand = open_first_line().program;
    struct sigaction action {};
    action.sa_handler = become_by_hand;
    must(sigaction(SIGSEGV, &action, nullptr) == 0, "the handler is in place");
    start_crew(others, pastime::asleep, [](unsigned number) { return number; });
    await_crew(1, others, pastime::asleep);
    return 0;
  });
}

void fault_to_first_line_vs_fexecve(State& state) {
  const auto others = static_cast<unsigned>(state.range(0)) - 1;
  compare_trials(
      state, [others] { return first_line_by_lastcpu(others); }, [others] { return first_line_by_hand(others); });
}

void faults_to_end_vs_no_handler(State& state) {
  const auto threads = static_cast<unsigned>(state.range(0));
  compare_crashes(state, threads, report_by_lastcpu, no_report);
}

BENCHMARK(fault_to_first_line_vs_fexecve)->ArgName("cpus")->Arg(1)->Arg(8)->Arg(32)->UseRealTime();
BENCHMARK(faults_to_end_vs_no_handler)->ArgName("threads")->Arg(2)->Arg(8)->Arg(32)->UseRealTime();

}  // namespace
