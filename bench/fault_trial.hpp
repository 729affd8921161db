// SPDX-License-Identifier: BSL-1.0
#pragma once
// Threads that fault together in a process that has somebody's failure handler: how long until the process has ended,
// by which signal, and how many reports there are.

#include "child_process.hpp"
#include "crew.hpp"
#include "interleaved.hpp"

#include <lastcpu/panic.hpp>
#include <lastcpu/platform/posix.hpp>

#include <benchmark/benchmark.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

namespace lastcpu_bench {

[[gnu::noinline]] inline void fault() {
  static int* volatile nowhere = nullptr;
  *nowhere = 1;
}

/// A failure handler: what it takes to have it, and the mark that each of its reports has once.
struct failure_handler {
  const char* name;
  void (*install)();
  void (*in_thread)(void (*body)(unsigned), unsigned number);  // calls body(number) on every thread; null: as it is
  std::string_view mark;                                       // empty: there is no report
};

/// One process whose threads have faulted.
struct crash {
  double ns = 0;  // from the word "go" to the end of the process
  bool hung = false;
  int signal = 0;
  unsigned reports = 0;
  std::string error;  // the trial never came to the faults
};

inline unsigned count_marks(int fd, std::string_view mark) {
  std::string text(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
  if (mark.empty() || pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return 0;
  unsigned n = 0;
  for (auto at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) ++n;
  return n;
}

/// In a child: `threads` threads sleep until they all fault. Does not return.
inline void fault_together(unsigned threads, const failure_handler& by, std::uint64_t& go_ns) {
  static start_signal go;
  by.install();
  for (unsigned number = 1; number <= threads; ++number)
    std::thread([&by, number] {
      constexpr auto sleep_then_fault = [](unsigned me) {
        say_ready(me);
        go.await();
        fault();
      };
      by.in_thread != nullptr ? by.in_thread(sleep_then_fault, number) : sleep_then_fault(number);
    }).detach();
  await_crew(1, threads, pastime::asleep);
  go_ns = monotonic_ns();
  go.give();
  for (;;) pause();
}

inline crash crash_once(unsigned threads, const failure_handler& by) {
  struct go_time {
    std::uint64_t ns;
  };
  constexpr auto deadline = std::chrono::seconds{8};  // a handler that hangs is cut off
  const int output = memfd_create("report", MFD_CLOEXEC);
  const child_process<go_time> child{[&](go_time& go) {
                                       must(dup2(output, STDERR_FILENO) >= 0, "stderr is a file");
                                       fault_together(threads, by, go.ns);
                                     },
                                     deadline};
  crash c;
  const std::uint64_t go_ns = child.figures().ns;
  if (go_ns == 0) c.error = std::string{by.name} + ": " + child.error();
  c.ns = static_cast<double>(child.end().at_ns - go_ns);
  c.hung = child.end().timed_out;
  c.signal = child.end().signal();
  c.reports = count_marks(output, by.mark);
  close(output);
  return c;
}

/// As ours must: one report, and the end that the parent would have seen without us.
inline bool ended_well(const crash& c) {
  return !c.hung && c.signal == SIGSEGV && c.reports == 1;
}

/// What came of a handler's crashes, as shares of them.
class crash_tally {
 public:
  void add(const crash& c) {
    ++crashes_;
    one_report_ += c.reports == 1 ? 1 : 0;
    by_sigsegv_ += c.signal == SIGSEGV ? 1 : 0;
    hung_ += c.hung ? 1 : 0;
  }
  void report(benchmark::State& state, const std::string& whose) const {
    state.counters[whose + "_one_report"] = one_report_ / crashes_;
    state.counters[whose + "_sigsegv"] = by_sigsegv_ / crashes_;
    state.counters[whose + "_hung"] = hung_ / crashes_;
  }

 private:
  double crashes_ = 0, one_report_ = 0, by_sigsegv_ = 0, hung_ = 0;
};

/// The body of a benchmark: rounds of ours, raw, raw, ours.
inline void compare_crashes(benchmark::State& state, unsigned threads, const failure_handler& ours,
                            const failure_handler& raw) {
  comparison rounds;
  crash_tally ours_tally, raw_tally;
  for ([[maybe_unused]] auto round : state) {
    const crash crashes[] = {crash_once(threads, ours), crash_once(threads, raw), crash_once(threads, raw),
                             crash_once(threads, ours)};
    for (const crash& c : crashes)
      if (!c.error.empty()) return state.SkipWithError(c.error.c_str());
    for (const int mine : {0, 3}) {
      if (!ended_well(crashes[mine]))
        return state.SkipWithError("ours hung, reported not once or died of another signal");
      ours_tally.add(crashes[mine]);
    }
    for (const int its : {1, 2}) raw_tally.add(crashes[its]);
    rounds.add((crashes[0].ns + crashes[3].ns) / 2, (crashes[1].ns + crashes[2].ns) / 2);
  }
  rounds.report(state);
  ours_tally.report(state, "ours");
  raw_tally.report(state, "raw");
}

// --- Ours, and none.

struct one_line_policy : lastcpu::panic_policy {
  template <class Registers>
  static void report(const lastcpu::panic_info<Registers>& info) noexcept {
    char line[200];
    const int n = snprintf(line, sizeof line, "*** lastcpu: CPU %u: %s\n", info.cpu, info.message);
    (void)!write(STDERR_FILENO, line, static_cast<std::size_t>(n));
  }
};
inline constinit lastcpu::crash_domain<lastcpu::posix, one_line_policy> reporting_machine;

inline constexpr failure_handler report_by_lastcpu{
    "lastcpu", [] { must(lastcpu::posix_install(reporting_machine).empty(), "the handlers are in place"); },
    // A local, as in the examples. As a thread_local it would be registered for destruction, by malloc(): an arena for each
    // thread, which nobody else's threads have here, and which takes 10 us to take down at the end of the process.
    [](void (*body)(unsigned), unsigned number) {
      const lastcpu::cpu_guard guard;
      must(bool(guard), "the thread is a CPU");
      body(number);
    },
    "*** lastcpu: "};

inline constexpr failure_handler no_report{"no handler", [] {}, nullptr, {}};

}  // namespace lastcpu_bench
