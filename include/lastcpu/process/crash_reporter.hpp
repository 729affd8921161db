// SPDX-License-Identifier: BSL-1.0
#pragma once
// A crash reporter for a server: five lines in main.
//
//     #include <lastcpu/process/crash_reporter.hpp>
//     int main() {
//       if (std::string error = lastcpu::install_crash_reporter({.core_path = "/var/tmp/%e.%p.core"}); !error.empty())
//         fprintf(stderr, "no crash reports: %s\n", error.c_str());
//
// On a fatal signal one thread reports, however many crash at once: every other thread is stopped, one report goes to
// stderr, an ELF core with every thread is written for gdb, and the process dies of the signal that it has got. Threads
// need not register. docs/crash-reporter.md has the rest. Linux, x86-64 and aarch64.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/capture_now.hpp>
#include <lastcpu/process/reporter/install.hpp>

#include <sys/auxv.h>
#include <sys/mman.h>

#include <string>

namespace lastcpu {

/// Installs it, once per process, in quiet times; the children of forks have it, too. Empty on success, else a sentence
/// that says what is wrong and what to do; nothing is changed then. Gives the calling thread a signal stack where it has
/// none.
[[nodiscard]] inline std::string install_crash_reporter(const crash_reporter_options& options = {}) {
  return reporter_detail::install(options);
}

/// A note for the report and the core: "request", "GET /x". Set again under the same key it takes the place of the one
/// before; an empty value takes it out. Kept by the children of forks. Needs no reporter to be installed, and may be
/// called at any time on any thread, in a signal handler too; bounded. A crash in the middle of it finds the value before.
inline annotation annotate_crash(const char* key, const char* value) noexcept {
  return reporter_detail::annotations.set(key, value);
}

/// Empty while every signal is still the reporter's, else a sentence that says who has which. Thread context.
[[nodiscard]] inline std::string still_installed() {
  using namespace reporter_detail;
  if (!installed) return "the crash reporter is not installed; call install_crash_reporter()";
  for (int n = 1; n < 32; ++n)
    if ((settings.signals & bit_of(n)) != 0 && !is_handled_by(n, lastcpu_on_crash))
      return name_of_signal(n) + " is not the crash reporter's any more: it is handled by " + handler_owner(n);
  if (!is_handled_by(settings.stop_signal, lastcpu_on_crash_stop))
    return "signal " + std::to_string(settings.stop_signal) +
           ", which stops threads, is not the crash reporter's any more: it is handled by " +
           handler_owner(settings.stop_signal);
  return {};
}

/// Gives every signal back to who had it before. A signal that somebody else has taken since stays with them, and is
/// named in the answer. Empty when nothing was left. Thread context.
inline std::string uninstall_crash_reporter() {
  using namespace reporter_detail;
  if (!installed) return "the crash reporter is not installed";
  std::string kept;
  for (int n = 1; n < 32; ++n) {
    if ((settings.signals & bit_of(n)) == 0) continue;
    if (is_handled_by(n, lastcpu_on_crash))
      sigaction(n, &settings.before[n], nullptr);
    else
      kept += name_of_signal(n) + " stays with " + handler_owner(n) + "; ";
  }
  if (is_handled_by(settings.stop_signal, lastcpu_on_crash_stop)) signal(settings.stop_signal, SIG_DFL);
  installed = false;
  return kept;
}

/// A signal stack for this thread, from construction to destruction: with it an overflow of the thread's own stack is
/// reported, too. Does nothing where the thread has one. Thread context; destroy it on the same thread. Where there is
/// no /proc, threads with one are those that a crash can stop.
class [[nodiscard]] crash_reporter_thread {
 public:
  /// Gives this thread a signal stack.
  crash_reporter_thread() noexcept : stack_(reporter_detail::give_signal_stack()) {
    if (reporter_detail::settings.state != nullptr)
      reporter_detail::settings.state->threads.enter(reporter_detail::own_tid());
  }
  /// Takes it away.
  ~crash_reporter_thread() {
    if (reporter_detail::settings.state != nullptr)
      reporter_detail::settings.state->threads.leave(reporter_detail::own_tid());
    reporter_detail::take_signal_stack(stack_);
  }
  crash_reporter_thread(const crash_reporter_thread&) = delete;
  crash_reporter_thread& operator=(const crash_reporter_thread&) = delete;

 private:
  stack_t stack_;
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
