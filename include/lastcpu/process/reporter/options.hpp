// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a crash reporter is asked for.

#include <lastcpu/detail/begin.hpp>

#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace lastcpu {

/// What becomes of handlers that were installed before for the same signals.
enum class earlier_handlers : uint8_t {
  refuse,     ///< install_crash_reporter() refuses, with a sentence that names who has the signal
  replace,    ///< they are not called any more
  ask_first,  ///< called first, for a runtime that recovers from faults (JVM, Go, write barriers). The crash is
              ///< reported when such a handler gives up: resets the signal, or aborts. An abort() of the process's
              ///< own is reported without asking: who leaves one by siglongjmp() does so in first_chance
  call_last,  ///< called behind the report; where it returns, the default action comes
  leave,      ///< keep the signal; the others are installed. Done without asking for those of AddressSanitizer and
              ///< ThreadSanitizer, whose reports say more
};

/// How the other threads of a process are stopped.
enum class stop_threads : uint8_t {
  by_signal,  ///< and those that mask it by ptrace. Takes room on each thread's stack, or signal stack: a few KiB, 12
              ///< with AMX
  by_ptrace,  ///< and by signal where that is refused: for coroutines on small stacks. Takes no room
};

/// For install_crash_reporter(); each has a default.
struct crash_reporter_options {
  /// Where the ELF core goes; empty: none is written. %p is the process, %t the time in seconds, %e the program's name,
  /// %% a percent sign. A relative path is completed at the installation.
  std::string core_path{};
  /// Bytes of memory in the core: stacks and globals come first, what does not fit is left out, and said.
  uint64_t core_limit = uint64_t{1} << 30;
  /// Memory that is shared between processes (shared anonymous memory, System V) goes into the core, too.
  bool core_has_shared_memory = true;
  /// Where the report is written; -1: not to a descriptor.
  int report_fd = STDERR_FILENO;
  /// A file that the report goes to as well; the same % as above. Empty: none.
  std::string report_path{};
  /// Which signals are crashes.
  std::vector<int> signals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
  /// What becomes of handlers that are there already.
  earlier_handlers earlier = earlier_handlers::refuse;
  /// What stops the other threads: a real-time signal that nobody handles. 0: one is looked for.
  int stop_signal = 0;
  /// How the other threads are stopped.
  stop_threads stop = stop_threads::by_signal;
  /// How long a thread may take to stop, in milliseconds; then the report names it as silent.
  uint32_t stop_budget_ms = 2000;
  /// How long the report may be stuck, in milliseconds, in a file system that does not answer for example. Then
  /// come a few lines of what is known, the core where it is not stuck as well, and the end of the process.
  uint32_t stall_budget_ms = 10'000;
  /// Asked before anything else; true: it was no crash, and the thread goes on. On the crashing thread, in the handler.
  bool (*first_chance)(int signal, siginfo_t* info, void* ucontext) noexcept = nullptr;
  /// One line of your own, 200 bytes at most: a version, a host. It stands in the report and in the core.
  std::string note{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
