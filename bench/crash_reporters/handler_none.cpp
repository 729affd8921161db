// SPDX-License-Identifier: BSL-1.0
// No failure handler. Ways: "none", and "kernel", which lets the kernel write its core into the current directory.

#include "handler.hpp"

#include <string.h>
#include <sys/resource.h>

namespace crash_victim {

const char* install(const wishes& w) {
  const rlimit as_large_as_it_gets{RLIM_INFINITY, RLIM_INFINITY};
  if (strcmp(w.way, "kernel") == 0 && setrlimit(RLIMIT_CORE, &as_large_as_it_gets) != 0)
    return "the limit on cores can't be raised; see ulimit -H -c";
  return nullptr;
}

void in_thread(void (*body)(void*), void* argument) {
  body(argument);
}

}  // namespace crash_victim
