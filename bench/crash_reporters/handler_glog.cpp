// SPDX-License-Identifier: BSL-1.0
// glog's failure signal handler, which names functions. What it calls of the program is its writer.

#include "handler.hpp"

#include <glog/logging.h>
#include <unistd.h>

namespace crash_victim {

const char* install(const wishes& w) {
  google::InitGoogleLogging(w.program);
  google::InstallFailureSignalHandler();
  if (w.in_the_reporter != trouble::none)
    google::InstallFailureWriter([](const char* piece, size_t bytes) {
      (void)!write(STDERR_FILENO, piece, bytes);
      meet_trouble();
    });
  return nullptr;
}

void in_thread(void (*body)(void*), void* argument) {
  body(argument);
}

}  // namespace crash_victim
