// SPDX-License-Identifier: BSL-1.0
// A library with a crash reporter of its own: nothing of the header is shared with another library of the process.
#include <lastcpu/process/crash_reporter.hpp>

#include <stdio.h>

extern const char library_name[];

extern "C" {

[[gnu::visibility("default")]] void install_here(int earlier) {
  const std::string error = lastcpu::install_crash_reporter(
      {.earlier = static_cast<lastcpu::earlier_handlers>(earlier), .note = library_name});
  dprintf(STDERR_FILENO, "%s: %s\n", library_name, error.empty() ? "installed" : error.c_str());
}

[[gnu::visibility("default")]] void uninstall_here() {
  dprintf(STDERR_FILENO, "%s: uninstalled%s\n", library_name, lastcpu::uninstall_crash_reporter().c_str());
}
}
