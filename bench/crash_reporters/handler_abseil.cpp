// SPDX-License-Identifier: BSL-1.0
// Abseil's failure signal handler, with symbols. What it calls of the program is its second writer, behind stderr.

#include "handler.hpp"

#include <absl/debugging/failure_signal_handler.h>
#include <absl/debugging/symbolize.h>

namespace crash_victim {

const char* install(const wishes& w) {
  absl::InitializeSymbolizer(w.program);
  absl::FailureSignalHandlerOptions options;
  options.call_previous_handler = w.call_earlier;
  if (w.in_the_reporter != trouble::none)
    options.writerfn = [](const char* piece) {
      if (piece != nullptr) meet_trouble();
    };
  absl::InstallFailureSignalHandler(options);
  return nullptr;
}

void in_thread(void (*body)(void*), void* argument) {
  body(argument);
}

}  // namespace crash_victim
