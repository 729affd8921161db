// SPDX-License-Identifier: BSL-1.0
// lastcpu. Ways: "report" and "core" are the crash reporter, which calls nothing of the program; "in_place" is a machine of
// threads whose report the policy below writes, each thread with a cpu_guard.
//
// The trouble of the first two comes where they begin to describe a crash: for it this file is compiled once more with
// -finstrument-functions, which calls a function of victim.cpp at the beginning of each one.

#include "handler.hpp"

#include <lastcpu/panic.hpp>
#include <lastcpu/platform/posix.hpp>
#include <lastcpu/process/crash_reporter.hpp>

#include <stdio.h>
#include <string.h>

#include <atomic>
#include <string>

namespace crash_victim {
namespace {

std::atomic<pid_t> thread_of[lastcpu::posix::max_cpus];

template <class... Values>
void say(const char* format, Values... values) noexcept {
  char line[200];
  const int n = snprintf(line, sizeof line, format, values...);
  (void)!write(STDERR_FILENO, line, static_cast<size_t>(n));
}

// A report of one line for each thread, said behind the stop, when nobody else writes any more.
struct in_place_policy : lastcpu::panic_policy {
  static void before_step(lastcpu::step) noexcept { lastcpu::posix_step_alarm(6000); }
  template <class Note>
  static void summary(const Note& note) noexcept {
    if (note.crashing) say("*** victim has crashed ***\n%s\n", note.message);
    meet_trouble();
    const pid_t tid = note.cpu < lastcpu::posix::max_cpus ? thread_of[note.cpu].load() : 0;
    const auto at = note.registers != nullptr ? static_cast<unsigned long long>(note.registers->pc) : 0ull;
    say("  %d %s 0x%llx\n", tid, note.crashing ? "crashed" : lastcpu::to_string(note.state), at);
  }
  static void flush() noexcept { say("*** end of report ***\n"); }
};

constinit lastcpu::crash_domain<lastcpu::posix, in_place_policy> machine;

}  // namespace

const char* install(const wishes& w) {
  static std::string error;
  const bool core = strcmp(w.way, "core") == 0;
  if (!core && strcmp(w.way, "report") != 0 && strcmp(w.way, "in_place") != 0) return "WAY is report, core or in_place";
  if (strcmp(w.way, "in_place") == 0) {
    error = lastcpu::posix_install(machine);
  } else {
    if (w.in_the_reporter != trouble::none)
      place_of_trouble = reinterpret_cast<void*>(lastcpu::reporter_detail::describe_signal);
    error = lastcpu::install_crash_reporter(
        {.core_path = core ? w.core : "",
         .earlier = w.call_earlier ? lastcpu::earlier_handlers::call_last : lastcpu::earlier_handlers::refuse});
  }
  return error.empty() ? nullptr : error.c_str();
}

void in_thread(void (*body)(void*), void* argument) {
  if (lastcpu::posix_detail::machine.domain == nullptr) return body(argument);
  const lastcpu::cpu_guard guard;  // a local: a thread_local is registered for destruction, by malloc()
  thread_of[guard.cpu()] = gettid();
  body(argument);
}

}  // namespace crash_victim
