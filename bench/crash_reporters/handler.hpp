// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the crash victim wants of a failure handler: each handler_*.cpp supplies it for one, and is linked with victim.cpp.

#include <atomic>

namespace crash_victim {

/// What the reporter meets in the middle of its report. At the first time that it comes there, where it is not said.
enum class trouble { none, faults_once, faults_always, aborts_always, is_slow, hangs };

struct wishes {
  const char* program;
  const char* way;    // for a handler that has several: see its file
  const char* core;   // where the core goes, of a way that writes one
  bool call_earlier;  // SIGSEGV has a handler already, which is to be called behind the report
  trouble in_the_reporter;
};

/// Installs it. Null, or why it can't be done: the victim exits then.
[[nodiscard]] const char* install(const wishes& w);

/// Calls body(argument) on each thread, the main thread too, with what the handler wants of a thread.
void in_thread(void (*body)(void*), void* argument);

/// For the place in the reporter where the trouble comes.
void meet_trouble() noexcept;

/// The function at whose beginning it comes, of a handler that calls nothing of the program.
inline std::atomic<void*> place_of_trouble{nullptr};

}  // namespace crash_victim
