// SPDX-License-Identifier: BSL-1.0
// A server with a crash reporter. Usage:
//
//     lastcpu_example_crash_reporter [CORE_PATH]
//
// Four workers serve requests; a bad one makes two of them crash at once. One report comes out, with a core for gdb where
// CORE_PATH says so ("core.%p"), and the parent sees the signal. Copy the five lines of main().

#include <lastcpu/process/crash_reporter.hpp>

#include <stdio.h>
#include <time.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<bool> bad_request{false};

void serve(int number) {
  const timespec a_while{0, 5'000'000};
  nanosleep(&a_while, nullptr);
  if (number < 2 || !bad_request) return;
  int* volatile session = nullptr;  // the bug
  *static_cast<volatile int*>(session) = number;
}

void work(int number) {
  const lastcpu::crash_reporter_thread stack;  // optional: an overflow of this thread's stack is reported, too
  for (;;) serve(number);
}

}  // namespace

int main(int argc, char** argv) {
  lastcpu::crash_reporter_options options;
  options.core_path = argc > 1 ? argv[1] : "";
  options.note = "example 1.0";
  const std::string error = lastcpu::install_crash_reporter(options);
  if (!error.empty()) fprintf(stderr, "%s: no crash reports: %s\n", argv[0], error.c_str());

  std::vector<std::thread> workers;
  workers.reserve(4);
  for (int i = 0; i < 4; ++i) workers.emplace_back(work, i);
  fputs("serving; the bad request comes now\n", stderr);
  bad_request = true;
  for (std::thread& t : workers) t.join();
}
