// SPDX-License-Identifier: BSL-1.0
// A server that crashes as it is told. Usage: crash_reporter_victim SCENARIO [CORE_PATH]
#include "victim.hpp"

#include <string.h>

namespace victim {
namespace {

/// False where there is none of this name.
bool run(std::span<const scenario> scenarios, const char* name) {
  for (const scenario& s : scenarios)
    if (strcmp(s.name, name) == 0) return s.prepare(), s.crash(), true;
  return false;
}

}  // namespace
}  // namespace victim

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (victim::run(victim::neighbours, argv[1])) return 0;
  lastcpu::crash_reporter_options options;
  if (argc > 2) options.core_path = argv[2];
  if (const char* limit = getenv("LASTCPU_TEST_CORE_LIMIT"); limit != nullptr)
    options.core_limit = strtoull(limit, nullptr, 0);
  if (const char* path = getenv("LASTCPU_TEST_REPORT_PATH"); path != nullptr) options.report_path = path;
  if (strcmp(argv[1], "uninterruptible_thread") == 0) options.stop_budget_ms = 200;
  if (strcmp(argv[1], "small_stack") == 0 || getenv("LASTCPU_TEST_PTRACE") != nullptr)
    options.stop = lastcpu::stop_threads::by_ptrace;
  // Who spins in real time leaves the report a twentieth of each second.
  options.stall_budget_ms = strcmp(argv[1], "spinners") == 0 ? 5000 : 1000;
  if (getenv("LASTCPU_TEST_IN_PLACE") != nullptr)
    posix_test::answer_call_with(SYS_clone, SECCOMP_RET_ERRNO | EPERM);  // threads come by clone3()
  options.note = "a note of the victim";
  if (const std::string error = lastcpu::install_crash_reporter(options); !error.empty()) {
    dprintf(STDERR_FILENO, "%s\n", error.c_str());
    return 3;
  }
  for (int i = 0; i < 3; ++i) victim::start(victim::idle_here);
  for (const auto scenarios : {victim::crashes, victim::captures, victim::threads, victim::hard_times, victim::rare})
    (void)victim::run(scenarios, argv[1]);
  return 4;
}
